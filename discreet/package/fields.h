// Fields: reads the members of one JSON object strictly. A missing, mistyped or unknown member is an
// Error(kDataLoss) that names the document and the path to it ("privacy.json: guarantee.epsilon is missing").
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "discreet/base/error.h"
#include "discreet/base/json.h"

namespace discreet {

class Fields {
 public:
  Fields(const Json& object, std::string document, std::string path = "")
      : object_(object), document_(std::move(document)), path_(std::move(path)) {
    if (!object_.is_object()) fail(path_.empty() ? "it" : path_, "must be an object");
  }

  bool has(const std::string& name) const { return object_.contains(name); }

  const Json& any(const std::string& name) {
    read_.insert(name);
    const auto found = object_.find(name);
    if (found == object_.end()) fail(at(name), "is missing");
    return *found;
  }

  std::string text(const std::string& name) {
    const Json& value = any(name);
    if (!value.is_string()) fail(at(name), "must be a text");
    return value.get<std::string>();
  }

  double number(const std::string& name, double least, double most) {
    const Json& value = any(name);
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (!(number >= least && number <= most)) {
      fail(at(name), "must be a number from " + Json(least).dump() + " to " + Json(most).dump());
    }
    return number;
  }

  int64_t integer(const std::string& name, int64_t least) {
    const Json& value = any(name);
    // Above 2^53 other readers of JSON lose digits.
    constexpr int64_t kMost = int64_t{1} << 53;
    if (!value.is_number_integer() || value.get<double>() > static_cast<double>(kMost) ||
        value.get<int64_t>() < least) {
      fail(at(name), "must be a whole number from " + std::to_string(least) + " to 2^53");
    }
    return value.get<int64_t>();
  }

  bool boolean(const std::string& name) {
    const Json& value = any(name);
    if (!value.is_boolean()) fail(at(name), "must be true or false");
    return value.get<bool>();
  }

  const Json& array(const std::string& name) {
    const Json& value = any(name);
    if (!value.is_array()) fail(at(name), "must be a list");
    return value;
  }

  Fields object(const std::string& name) { return Fields(any(name), document_, at(name)); }

  // A member that none of the calls above asked for means a document that this version does not understand.
  void no_others() const {
    for (const auto& [name, value] : object_.items()) {
      if (read_.count(name) == 0) fail(at(name), "is not a field that this version knows");
    }
  }

  std::string at(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }

  [[noreturn]] void fail(const std::string& where, const std::string& what) const {
    throw Error(ErrorKind::kDataLoss, document_ + ": " + where + " " + what);
  }

 private:
  const Json& object_;
  std::string document_, path_;
  std::set<std::string> read_;
};

}  // namespace discreet
