// Gradients as sums of outer products, whatever rule they come from: what the norm of the sum of several
// uses of one matrix is computed from (a table of embeddings that is also the output layer).
#pragma once

#include <torch/torch.h>

#include <vector>

#include "discreet/dp/rules/rule.h"

namespace discreet {

// Squared norms of the sum of what the factors of the same samples and the same matrix stand for, cross terms
// included: the sum over all pairs of positions of (left . left')(right . right'), in double.
SquaredNorms squared_norms_of_sum(const std::vector<Factors>& uses);
// Its way, cost and rounding.
RulePlan plan_of_sum(const std::vector<Factors>& uses);

// Of the transposed matrix; nothing where its rows would be chosen by tokens on the right.
std::optional<Factors> transposed(const Factors& factors);

}  // namespace discreet
