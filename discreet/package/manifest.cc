#include "discreet/package/manifest.h"

#include <algorithm>

#include "discreet/base/hash.h"
#include "discreet/package/fields.h"

namespace discreet {
namespace {

constexpr char kFormat[] = "discreet-package";

Json unsigned_json(const Manifest& manifest) {
  Json files = Json::object();
  for (const auto& [name, file] : manifest.files)
    files[name] = {{"sha256", file.sha256}, {"bytes", file.bytes}};
  return {{"format", kFormat},
          {"version", Manifest::kVersion},
          {"files", std::move(files)},
          {"public_key", manifest.public_key}};
}

}  // namespace

bool allowed_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

Manifest Manifest::make(const std::map<std::string, std::string>& files, const SigningKey& key) {
  Manifest manifest;
  for (const auto& [name, bytes] : files) {
    if (!allowed_file_name(name) || name == "manifest.json") {
      throw Error(ErrorKind::kInvalidArgument,
                  "a package cannot hold a file named \"" + name +
                      "\"; allowed: letters, digits, . _ - and not manifest.json");
    }
    manifest.files[name] = {sha256_hex(bytes), static_cast<int64_t>(bytes.size())};
  }
  manifest.public_key = key.public_key();
  manifest.signature = key.sign(manifest.signed_bytes());
  return manifest;
}

std::string Manifest::signed_bytes() const {
  return nlohmann::json(unsigned_json(*this)).dump();  // nlohmann::json sorts its members
}

std::string Manifest::to_text() const {
  Json json = unsigned_json(*this);
  json["signature"] = signature;
  return json.dump(2) + "\n";
}

Manifest Manifest::from_text(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(ErrorKind::kDataLoss, "manifest.json is not a JSON document");
  Fields fields(json, "manifest.json");
  if (fields.text("format") != kFormat) fields.fail("format", std::string("must be ") + kFormat);
  const int64_t version = fields.integer("version", 1);
  if (version != kVersion) {
    throw Error(ErrorKind::kUnsupported, "manifest.json has version " + std::to_string(version) +
                                             "; this program reads version " + std::to_string(kVersion));
  }
  Manifest manifest;
  Fields files = fields.object("files");
  for (const auto& [name, value] : fields.any("files").items()) {
    if (!allowed_file_name(name)) files.fail("files", "names a file that no package holds");
    Fields file = files.object(name);
    manifest.files[name] = {file.text("sha256"), file.integer("bytes", 0)};
    file.no_others();
  }
  manifest.public_key = fields.text("public_key");
  manifest.signature = fields.text("signature");
  fields.no_others();
  if (manifest.to_text() != text) {
    throw Error(ErrorKind::kDataLoss,
                "manifest.json was changed: it is not in the form in which it is written");
  }
  return manifest;
}

}  // namespace discreet
