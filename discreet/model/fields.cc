#include "discreet/model/fields.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

// What a value is, in words; long text is not repeated.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 40 ? text : text.substr(0, 37) + "...";
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object()) {
    throw Error(ErrorKind::kInvalidArgument, path_ + ": must be an object, is " + shown(object));
  }
}

void Fields::fail(const std::string& field, const std::string& why) const {
  const std::string dot = path_.ends_with(":") ? " " : ".";
  throw Error(ErrorKind::kInvalidArgument, path_ + (field.empty() ? ":" : dot + field + ":") + " " + why);
}

const Json* Fields::find(const std::string& name, bool required) {
  known_.push_back(name);
  const auto at = object_.find(name);
  if (at != object_.end()) return &*at;
  if (required) fail(name, "is missing");
  return nullptr;
}

int64_t Fields::checked(const Json& value, const std::string& name, int64_t least, int64_t most) const {
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most) {
    fail(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                   ", is " + shown(value));
  }
  return value.get<int64_t>();
}

double Fields::checked(const Json& value, const std::string& name, double least, double most) const {
  if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most)) {
    fail(name, "must be a number from " + format_number(least) + " to " + format_number(most) + ", is " +
                   shown(value));
  }
  return value.get<double>();
}

int64_t Fields::integer(const std::string& name, int64_t least, int64_t most,
                        std::optional<int64_t> fallback) {
  const Json* value = find(name, !fallback);
  return value ? checked(*value, name, least, most) : *fallback;
}

double Fields::number(const std::string& name, double least, double most, std::optional<double> fallback) {
  const Json* value = find(name, !fallback);
  return value ? checked(*value, name, least, most) : *fallback;
}

bool Fields::boolean(const std::string& name, std::optional<bool> fallback) {
  const Json* value = find(name, !fallback);
  if (!value) return *fallback;
  if (!value->is_boolean()) fail(name, "must be true or false, is " + shown(*value));
  return value->get<bool>();
}

std::string Fields::word(const std::string& name, const std::vector<std::string>& allowed,
                         std::optional<std::string> fallback) {
  const Json* value = find(name, !fallback);
  if (!value) return *fallback;
  if (value->is_string() &&
      std::find(allowed.begin(), allowed.end(), value->get<std::string>()) != allowed.end()) {
    return value->get<std::string>();
  }
  const std::string near = value->is_string() ? nearest(value->get<std::string>(), allowed) : "";
  fail(name, "is " + shown(*value) + (near.empty() ? "" : ", did you mean '" + near + "'?") +
                 "; allowed: " + listed(allowed));
}

std::vector<int64_t> Fields::pair(const std::string& name, int64_t least, int64_t most,
                                  std::optional<int64_t> fallback) {
  const Json* value = find(name, !fallback);
  if (!value) return {*fallback, *fallback};
  if (!value->is_array()) {
    const int64_t both = checked(*value, name, least, most);
    return {both, both};
  }
  if (value->size() != 2) fail(name, "must be one whole number or two, is " + shown(*value));
  return {checked((*value)[0], name + "[0]", least, most), checked((*value)[1], name + "[1]", least, most)};
}

std::vector<double> Fields::numbers(const std::string& name, double least, double most, int64_t count) {
  const Json* value = find(name, true);
  if (!value->is_array()) return {checked(*value, name, least, most)};
  if (static_cast<int64_t>(value->size()) != count) {
    fail(name, "must be one number or a list of " + std::to_string(count) + ", is " + shown(*value));
  }
  std::vector<double> result;
  for (const Json& item : *value) {
    result.push_back(checked(item, name + "[" + std::to_string(result.size()) + "]", least, most));
  }
  return result;
}

std::vector<int64_t> Fields::integers(const std::string& name, int64_t least, int64_t most, size_t fewest,
                                      size_t longest) {
  const Json* value = find(name, true);
  if (!value->is_array() || value->size() < fewest || value->size() > longest) {
    fail(name, "must be a list of " + std::to_string(fewest) + " to " + std::to_string(longest) +
                   " whole numbers, is " + shown(*value));
  }
  std::vector<int64_t> result;
  for (const Json& item : *value) {
    result.push_back(checked(item, name + "[" + std::to_string(result.size()) + "]", least, most));
  }
  return result;
}

const Json& Fields::any(const std::string& name, bool required) {
  static const Json null;
  const Json* value = find(name, required);
  return value ? *value : null;
}

void Fields::finish() const {
  for (const auto& item : object_.items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    const std::string near = nearest(item.key(), known_);
    fail("", "unknown field " + shown(Json(item.key())) +
                 (near.empty() ? "" : ", did you mean '" + near + "'?") + "; allowed: " + listed(known_));
  }
}

Json parse_json(std::string_view text, const std::string& path) {
  constexpr int kDeepest = 32;
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepest) problem = "is nested deeper than " + std::to_string(kDeepest);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      problem = "has the key " + shown(parsed) + " twice";
    }
    return problem.empty();
  };
  Json document;
  try {
    document = Json::parse(text, watch);
  } catch (const Json::exception& error) {
    const auto* where = dynamic_cast<const Json::parse_error*>(&error);
    if (problem.empty()) {
      problem = "is not valid JSON" + (where ? " at byte " + std::to_string(where->byte) : std::string());
    }
  }
  if (!problem.empty()) throw Error(ErrorKind::kInvalidArgument, path + ": " + problem);
  return document;
}

}  // namespace discreet
