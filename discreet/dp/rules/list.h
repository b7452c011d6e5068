// All clip rules. A new rule is one file and one line in list.cc; the conformance test iterates this list.
#pragma once

#include <string>
#include <vector>

#include "discreet/dp/rules/rule.h"

namespace discreet {

const std::vector<Rule>& clip_rules();

// The rule for an autograd node of this name, or nullptr.
const Rule* find_rule(const std::string& operation);

// Whether the rule takes only what is broadcast over the samples: what has a row for each it refuses.
bool takes_broadcast(const Rule& rule);

}  // namespace discreet
