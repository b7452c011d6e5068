#include "discreet/job/toml_file.h"

#include <toml++/toml.h>

#include <sstream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

Json to_json(const toml::node& node, const std::string& path) {
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = to_json(value, path);
    return object;
  }
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const auto& value : *array) list.push_back(to_json(value, path));
    return list;
  }
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_boolean()) return value->get();
  throw Error(ErrorKind::kInvalidArgument, path + ": line " + std::to_string(node.source().begin.line) +
                                               ": allowed are texts, numbers, true, false, lists and tables");
}

}  // namespace

Json read_toml(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    const toml::table table = toml::parse(text, path.string());
    return to_json(table, path.string());
  } catch (const toml::parse_error& error) {
    std::ostringstream message;
    message << path.string() << ": line " << error.source().begin.line
            << ": is not TOML: " << error.description();
    throw Error(ErrorKind::kInvalidArgument, message.str());
  }
}

}  // namespace discreet
