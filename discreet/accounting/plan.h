// How a run spends its budget, fixed before private data is read: shares for statistics and for training,
// and, as soon as the number of units is known (declared, or released privately), rate, steps and noise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "discreet/accounting/accountant.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"

namespace discreet {

// Shares add up to at most the plan's epsilon and delta.
struct Shares {
  double statistics_epsilon = 0, statistics_delta = 0;
  double training_epsilon = 0, training_delta = 0;
};

struct PlanRequest {
  double epsilon = 0;  // [0.001, 1000]
  double delta = 0;    // (0, 1)
  Relation relation = Relation::kAddOrRemoveOne;
  std::optional<double> sample_size;  // units in the data, declared or released; >= 1
  std::optional<int64_t> batch_size;  // expected units a step; [1, sample_size]
  std::optional<double> epochs;       // > 0; not together with steps
  std::optional<int64_t> steps;       // [1, 2^53]
  double statistics_share = 0;        // of epsilon and of delta; [0, 1); 0: every fact is declared
};

struct Plan {
  double epsilon = 0, delta = 0;  // what was asked for
  Relation relation = Relation::kAddOrRemoveOne;
  Shares shares;
  Accountant accountant = Accountant::kPld;  // whose bound training_epsilon is
  // Empty where they wait for a number of units, or for a batch size or length that is not given.
  std::optional<double> sample_size, sample_rate, noise_multiplier;
  std::optional<double> training_epsilon;  // reached by training, at most its share
  std::optional<double> epsilon_reached;   // statistics' share plus training_epsilon, at most epsilon
  std::optional<int64_t> batch_size, steps;

  // Keys: epsilon, delta, relation, accountant, sample_size, batch_size, steps, sample_rate,
  // noise_multiplier, training_epsilon, epsilon_reached, shares {statistics, training} each {epsilon, delta};
  // null where empty.
  Json to_json() const;
};

// steps = ceil(epochs * sample_size / batch_size) where epochs are given; sample_rate = batch_size /
// sample_size. kInvalidArgument names the field and its range.
Plan make_plan(const PlanRequest& request);

// The largest delta that is advised for so many units: a tenth of one in their number. A release of one
// record picked at random has a delta of one in their number, and hides nothing of it.
constexpr double advised_delta(double units) {
  return 0.1 / units;
}
constexpr bool is_large_delta(double delta, double units) {
  return delta * units >= 1;
}

}  // namespace discreet
