// Which theory an epsilon follows from. Each gives an upper bound that holds for any order of a plan's
// results; only "rdp" may be added up over plans that are chosen after seeing the results of earlier ones.
#pragma once

#include <string_view>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"

namespace discreet {

enum class Accountant {
  kRdp,  // Renyi differential privacy (rdp.h)       "rdp"
  kPld,  // privacy loss distributions (pld.h)       "pld"
};

std::string_view to_string(Accountant accountant);

// kInvalidArgument with the allowed names.
Accountant parse_accountant(std::string_view name);

// Upper bound on epsilon at `delta` in (0, 1); the errors of rdp_epsilon and pld_epsilon.
double upper_epsilon(Accountant accountant, const Event& event, Relation relation, double delta);

// The least of them, and whose it is; accountants that do not know the event are left out.
struct Accounted {
  double epsilon = 0;
  Accountant accountant = Accountant::kRdp;
};
Accounted tightest_epsilon(const Event& event, Relation relation, double delta);

}  // namespace discreet
