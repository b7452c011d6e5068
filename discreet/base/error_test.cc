#include "discreet/base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace discreet {
namespace {

TEST(Error, KindsHaveDistinctCodesAndWords) {
  std::set<int> codes;
  std::set<std::string_view> words;
  const ErrorKind kinds[] = {
      ErrorKind::kInvalidArgument,  ErrorKind::kNotFound,        ErrorKind::kAlreadyExists,
      ErrorKind::kPermissionDenied, ErrorKind::kBudgetExhausted, ErrorKind::kDataLoss,
      ErrorKind::kUnavailable,      ErrorKind::kUnsupported,     ErrorKind::kInterrupted};
  for (const ErrorKind kind : kinds) {
    EXPECT_GT(exit_code(kind), 1);
    EXPECT_TRUE(codes.insert(exit_code(kind)).second);
    EXPECT_TRUE(words.insert(to_string(kind)).second);
  }
  EXPECT_EQ(Error(ErrorKind::kDataLoss, "f: damaged").kind(), ErrorKind::kDataLoss);
}

}  // namespace
}  // namespace discreet
