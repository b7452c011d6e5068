#include "discreet/package/verify.h"

#include <set>

#include "discreet/base/file.h"
#include "discreet/base/hash.h"
#include "discreet/package/certificate.h"
#include "discreet/package/keys.h"
#include "discreet/package/package.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

void check_files(const fs::path& package, const Manifest& manifest, std::vector<std::string>& problems) {
  for (const auto& [name, file] : manifest.files) {
    const fs::path path = package / name;
    std::error_code error;
    if (!fs::is_regular_file(fs::symlink_status(path, error))) {
      problems.push_back(name + " is missing, or not a plain file");
      continue;
    }
    try {
      if (sha256_file(path) != file.sha256) {
        problems.push_back(name + " was changed: its hash is not the one that was signed");
      } else if (static_cast<int64_t>(fs::file_size(path)) != file.bytes) {
        problems.push_back(name + " has another length than the manifest says");
      }
    } catch (const Error& unreadable) {
      problems.push_back(name + " cannot be read: " + unreadable.what());
    }
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(package)) {
    const std::string name = entry.path().filename();
    if (name != "manifest.json" && manifest.files.count(name) == 0) {
      problems.push_back((allowed_file_name(name) ? name : "a file with an odd name") +
                         " is not in the manifest: it was added");
    }
  }
}

void check_guarantee(const fs::path& package, Verification& result) {
  try {
    const Certificate certificate = parse_certificate(read_file(package / "privacy.json"));
    result.epsilon = certificate.guarantee.epsilon;
    result.delta = certificate.guarantee.delta;
    result.relation = to_string(certificate.guarantee.relation);
    result.unit = certificate.guarantee.unit.column ? "column " + *certificate.guarantee.unit.column : "row";
    result.is_private = certificate.guarantee.is_private;
    for (const std::string& problem : check_certificate(certificate)) result.problems.push_back(problem);
  } catch (const Error& error) {
    result.problems.emplace_back(error.what());
  }
}

}  // namespace

Json Verification::to_json() const {
  const bool read = !relation.empty();
  return {{"valid", valid},
          {"epsilon", read ? Json(epsilon) : Json()},
          {"delta", read ? Json(delta) : Json()},
          {"relation", read ? Json(relation) : Json()},
          {"unit", read ? Json(unit) : Json()},
          {"private", read ? Json(is_private) : Json()},
          {"key", key},
          {"key_known", key_known},
          {"key_owner", key_owner},
          {"problems", problems}};
}

Verification verify_package(const fs::path& package) {
  Verification result;
  try {
    const Manifest manifest = read_manifest(package);
    result.key = manifest.public_key;
    const KnownKey known = find_key(manifest.public_key);
    result.key_known = known.known;
    result.key_owner = known.owner;
    check_files(package, manifest, result.problems);
    if (manifest.files.count("privacy.json") == 0) {
      result.problems.emplace_back("privacy.json is missing: there is no guarantee");
    } else {
      check_guarantee(package, result);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) throw;
    result.problems.emplace_back(error.what());
  }
  result.valid = result.problems.empty();
  return result;
}

}  // namespace discreet
