#include "discreet/base/error.h"

#include <cstdlib>

namespace discreet {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return 2;
    case ErrorKind::kNotFound: return 3;
    case ErrorKind::kAlreadyExists: return 4;
    case ErrorKind::kPermissionDenied: return 5;
    case ErrorKind::kBudgetExhausted: return 6;
    case ErrorKind::kDataLoss: return 7;
    case ErrorKind::kUnavailable: return 8;
    case ErrorKind::kUnsupported: return 9;
    case ErrorKind::kInterrupted: return 130;
  }
  std::abort();
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "invalid-argument";
    case ErrorKind::kNotFound: return "not-found";
    case ErrorKind::kAlreadyExists: return "already-exists";
    case ErrorKind::kPermissionDenied: return "permission-denied";
    case ErrorKind::kBudgetExhausted: return "budget-exhausted";
    case ErrorKind::kDataLoss: return "data-loss";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kUnsupported: return "unsupported";
    case ErrorKind::kInterrupted: return "interrupted";
  }
  std::abort();
}

}  // namespace discreet
