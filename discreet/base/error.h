// Errors: one small family of exceptions with a kind, mapped once to an exit code.
//
// Every message is one line that names the file, field or row and what is allowed,
// and never contains a private value. Programmer errors are assertions, not Errors.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace discreet {

enum class ErrorKind {
  kInvalidArgument,   // a setting, flag or call is outside what is allowed        exit 2
  kNotFound,          // a file, column, package or run does not exist             exit 3
  kAlreadyExists,     // the output is there already                               exit 4
  kPermissionDenied,  // read-only folder, unreadable file                         exit 5
  kBudgetExhausted,   // the privacy budget does not allow this release            exit 6
  kDataLoss,          // corrupt or truncated input, a changed byte in a package   exit 7
  kUnavailable,       // full disk, locked ledger, missing helper program          exit 8
  kUnsupported,       // a case that is refused rather than approximated           exit 9
  kInterrupted,       // stopped by the user; can be resumed                       exit 130
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Exit code of the program for an error of this kind (docs/exit-codes.md lists them).
int exit_code(ErrorKind kind);

// "invalid-argument", "not-found", ...: the word in JSON output.
std::string_view to_string(ErrorKind kind);

}  // namespace discreet
