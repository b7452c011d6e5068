// verify_package: is this folder, to the byte, what somebody signed, and does its epsilon follow from its
// events?
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

struct Verification {
  bool valid = false;  // no problems; says nothing about whose key it is
  double epsilon = 0, delta = 0;
  std::string relation;  // "" while the certificate cannot be read; epsilon and delta are null in JSON then
  std::string unit;      // "row", or "column NAME"
  bool is_private =
      false;        // false: made with a test seed, so that the guarantee does not hold ("private" in JSON)
  std::string key;  // public key in hexadecimal
  std::string key_owner;              // "your own key", the words in trusted_keys, or ""
  bool key_known = false;             // false: the signature proves integrity only
  std::vector<std::string> problems;  // one line each, naming the file

  Json to_json() const;
};

// Reads everything and trusts nothing: every file's hash, no file missing or more, the signature, and the
// certificate's numbers computed again (check_certificate). kNotFound if `package` is no folder or has no
// manifest; every other fault of the package is a problem, not an exception.
Verification verify_package(const std::filesystem::path& package);

}  // namespace discreet
