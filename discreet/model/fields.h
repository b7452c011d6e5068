// Strict reading of one object of a document: every field is named, typed and bounded, and a bad one is an
// Error (kInvalidArgument) of one line with its path, what was found and what is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

class Fields {
 public:
  // `path` names the object in messages ("architecture: layers[2]"). Throws where `object` is no JSON object.
  // `object` must outlive the Fields.
  Fields(const Json& object, std::string path);

  // Each throws where the field is missing and there is no fallback, or has another type, or is out of range.
  int64_t integer(const std::string& name, int64_t least, int64_t most, std::optional<int64_t> fallback = {});
  double number(const std::string& name, double least, double most, std::optional<double> fallback = {});
  bool boolean(const std::string& name, std::optional<bool> fallback = {});
  std::string word(const std::string& name, const std::vector<std::string>& allowed,
                   std::optional<std::string> fallback = {});
  // One integer for both, or [vertical, horizontal].
  std::vector<int64_t> pair(const std::string& name, int64_t least, int64_t most,
                            std::optional<int64_t> fallback = {});
  // One number, or a list of `count` of them.
  std::vector<double> numbers(const std::string& name, double least, double most, int64_t count);
  std::vector<int64_t> integers(const std::string& name, int64_t least, int64_t most, size_t fewest,
                                size_t longest);
  // The field as it is; null where it is missing and `required` is false.
  const Json& any(const std::string& name, bool required = true);

  // To be called last: an Error for each field that nobody asked for, with the nearest name.
  void finish() const;

  const std::string& path() const { return path_; }
  [[noreturn]] void fail(const std::string& field, const std::string& why) const;

 private:
  const Json* find(const std::string& name, bool required);
  int64_t checked(const Json& value, const std::string& name, int64_t least, int64_t most) const;
  double checked(const Json& value, const std::string& name, double least, double most) const;

  const Json& object_;
  std::string path_;
  std::vector<std::string> known_;
};

// "a, b, c"
std::string listed(const std::vector<std::string>& names);

// `text` as JSON; kInvalidArgument with `path` in the message for anything else, also for repeated keys.
Json parse_json(std::string_view text, const std::string& path);

}  // namespace discreet
