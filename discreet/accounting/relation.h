// Which two data sets count as neighbours: what a guarantee is a guarantee against.
#pragma once

#include <string_view>

namespace discreet {

enum class Relation {
  kAddOrRemoveOne,  // one has one unit more                                  "add-or-remove-one"
  kReplaceOne,      // one unit differs, the number of units is public        "replace-one"
  kZeroOut,         // one unit's contribution is replaced by nothing (zero), the number is public  "zero-out"
};

std::string_view to_string(Relation relation);

// kInvalidArgument with the three allowed names.
Relation parse_relation(std::string_view name);

}  // namespace discreet
