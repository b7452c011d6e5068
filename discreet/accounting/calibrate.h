// The least noise that keeps within a target.
#pragma once

#include <cstdint>

#include "discreet/accounting/relation.h"

namespace discreet {

// What a target may be, here and in plans.
constexpr double kMinTargetEpsilon = 1e-3, kMaxTargetEpsilon = 1000;

// noise_multiplier with which `steps` Poisson-sampled Gaussian steps have rdp_epsilon in
// [0.9995 target_epsilon, target_epsilon] at target_delta. Milliseconds.
// kInvalidArgument: target_epsilon outside [0.001, 1000], target_delta outside (0, 1), sample_rate outside
// (0, 1], steps outside [1, 2^53]; kUnsupported where a multiplier of 1e8 is too small for the target. Where
// one of about 0.002 is more than enough, it is the answer, and epsilon may be further below.
double calibrate_noise_multiplier(double target_epsilon, double target_delta, Relation relation,
                                  double sample_rate, int64_t steps);

}  // namespace discreet
