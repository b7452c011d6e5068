// The least noise, the most steps and the largest rate that keep within a target. What an accountant's upper
// bound says is never above the target, and at most 0.1 % below it (by "pld", 0.001 below an epsilon of 1)
// where a finer choice exists.
#pragma once

#include <cstdint>

#include "discreet/accounting/accountant.h"
#include "discreet/accounting/relation.h"

namespace discreet {

// What a target may be, here and in plans.
constexpr double kMinTargetEpsilon = 1e-3, kMaxTargetEpsilon = 1000;

// What a plan of Poisson-sampled Gaussian steps is to reach.
struct Target {
  double epsilon = 0;  // [0.001, 1000]
  double delta = 0;    // (0, 1)
  Relation relation = Relation::kAddOrRemoveOne;
  Accountant accountant = Accountant::kPld;
};

// All: kInvalidArgument for a number outside its range; kUnsupported as the accountant.
//
// The least noise_multiplier for `steps` in [1, 2^53] at sample_rate in (0, 1]. kUnsupported where one of 1e8
// is too small. Where one of about 0.001 is more than enough, it is the answer, and epsilon may be further
// below.
double calibrate_noise_multiplier(const Target& target, double sample_rate, int64_t steps);

// The most steps, at most 2^53; 0 if a single one is too many.
int64_t calibrate_steps(const Target& target, double sample_rate, double noise_multiplier);

// The largest sample_rate, at most 1; 0 if one of 1e-9 is too large.
double calibrate_sample_rate(const Target& target, double noise_multiplier, int64_t steps);

}  // namespace discreet
