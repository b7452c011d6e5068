#include "discreet/accounting/relation.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

TEST(Relation, NamesRoundTrip) {
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    EXPECT_EQ(parse_relation(to_string(relation)), relation);
  }
  EXPECT_EQ(to_string(Relation::kAddOrRemoveOne), "add-or-remove-one");
  for (const char* name : {"", "add", "Replace-One", "replace-one "})
    EXPECT_THROW(parse_relation(name), Error);
}

}  // namespace
}  // namespace discreet
