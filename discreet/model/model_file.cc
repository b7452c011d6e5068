#include "discreet/model/model_file.h"

#include <set>

#include "discreet/base/error.h"
#include "discreet/model/architecture.h"
#include "discreet/model/fields.h"

namespace discreet {
namespace {

constexpr int64_t kVersion = 1;

void check(const ModelFile& file) {
  const Architecture architecture = Architecture::parse(file.architecture);
  const auto names = static_cast<int64_t>(file.outputs.size());
  if (names == 0 ? architecture.outputs != 1 : architecture.outputs != names) {
    throw Error(ErrorKind::kInvalidArgument, "outputs: " + std::to_string(names) + " names for " +
                                                 std::to_string(architecture.outputs) +
                                                 " outputs; none is allowed for one output");
  }
}

}  // namespace

std::string ModelFile::write() const {
  check(*this);
  const Json json = {{"format", "discreet-model"},
                     {"version", kVersion},
                     {"architecture", architecture},
                     {"preprocessing", preprocessing},
                     {"outputs", outputs}};
  return json.dump(2) + "\n";
}

ModelFile ModelFile::read(std::string_view bytes) {
  try {
    const Json json = parse_json(bytes, "model.json");
    Fields fields(json, "model.json");
    fields.word("format", {"discreet-model"});
    if (const int64_t version = fields.integer("version", 1, int64_t{1} << 53); version != kVersion) {
      throw Error(ErrorKind::kUnsupported, "model.json has version " + std::to_string(version) +
                                               "; this program reads version " + std::to_string(kVersion));
    }
    ModelFile file{fields.any("architecture"), fields.any("preprocessing"), {}};
    const Json& outputs = fields.any("outputs");
    if (!outputs.is_array()) fields.fail("outputs", "must be a list of names");
    for (const Json& name : outputs) {
      if (!name.is_string()) fields.fail("outputs", "must be a list of names");
      file.outputs.push_back(name.get<std::string>());
    }
    if (std::set<std::string>(file.outputs.begin(), file.outputs.end()).size() != file.outputs.size()) {
      fields.fail("outputs", "has a name twice");
    }
    fields.finish();
    check(file);
    return file;
  } catch (const Error& error) {
    const std::string what = error.what();
    if (error.kind() == ErrorKind::kUnsupported) throw;
    throw Error(ErrorKind::kDataLoss, what.starts_with("model.json") ? what : "model.json: " + what);
  }
}

}  // namespace discreet
