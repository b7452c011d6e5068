#include "discreet/accounting/relation.h"

#include <array>
#include <cstdlib>
#include <string>

#include "discreet/base/error.h"

namespace discreet {
namespace {
constexpr std::array kRelations = {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut};
}

std::string_view to_string(Relation relation) {
  switch (relation) {
    case Relation::kAddOrRemoveOne: return "add-or-remove-one";
    case Relation::kReplaceOne: return "replace-one";
    case Relation::kZeroOut: return "zero-out";
  }
  std::abort();
}

Relation parse_relation(std::string_view name) {
  for (const Relation relation : kRelations) {
    if (to_string(relation) == name) return relation;
  }
  throw Error(ErrorKind::kInvalidArgument, "relation must be add-or-remove-one, replace-one or zero-out");
}

}  // namespace discreet
