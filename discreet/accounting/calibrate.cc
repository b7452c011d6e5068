#include "discreet/accounting/calibrate.h"

#include <cmath>
#include <string>

#include "discreet/accounting/event.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kMinNoise = 1e-3, kMaxNoise = 1e8;
constexpr double kTolerance = 5e-4;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

}  // namespace

double calibrate_noise_multiplier(double target_epsilon, double target_delta, Relation relation,
                                  double sample_rate, int64_t steps) {
  if (!(target_epsilon >= kMinTargetEpsilon && target_epsilon <= kMaxTargetEpsilon)) {
    refuse("epsilon must be in [0.001, 1000], not " + format_number(target_epsilon));
  }
  if (!(target_delta > 0 && target_delta < 1)) {
    refuse("delta must be above 0 and below 1, not " + format_number(target_delta));
  }
  if (!(sample_rate > 0 && sample_rate <= 1)) {
    refuse("sample_rate must be above 0 and at most 1, not " + format_number(sample_rate));
  }
  if (steps < 1 || steps > int64_t{1} << 53)
    refuse("steps must be in [1, 2^53], not " + std::to_string(steps));

  const auto epsilon_at = [&](double noise) {
    return rdp_epsilon(Event::repeated(Event::poisson_sampled(sample_rate, Event::gaussian(noise)), steps),
                       relation, target_delta);
  };
  // Bracket: enough noise at `high`, too little at `low`.
  double low = 1, high = 1, at_low = epsilon_at(1), at_high = at_low;
  while (at_high > target_epsilon) {
    low = high;
    at_low = at_high;
    high *= 4;
    if (high > kMaxNoise) {
      throw Error(ErrorKind::kUnsupported,
                  "epsilon " + format_number(target_epsilon) +
                      " is out of reach: it would take a noise_multiplier above 1e8");
    }
    at_high = epsilon_at(high);
  }
  while (at_low <= target_epsilon) {
    high = low;
    at_high = at_low;
    low /= 2;
    if (low < kMinNoise) return high;
    at_low = epsilon_at(low);
  }
  // Epsilon is near a power of the noise: interpolate in logarithms, and halve where that goes slowly.
  for (int round = 0; at_high < target_epsilon * (1 - kTolerance) && high > low * (1 + 1e-9); ++round) {
    const double goal = target_epsilon * (1 - kTolerance / 2);
    double share = std::log(at_low / goal) / std::log(at_low / at_high);
    if (round % 3 == 2 || !(share > 0 && share < 1)) share = 0.5;
    const double middle = low * std::pow(high / low, share);
    if (!(middle > low && middle < high)) break;
    const double at_middle = epsilon_at(middle);
    (at_middle <= target_epsilon ? high : low) = middle;
    (at_middle <= target_epsilon ? at_high : at_low) = at_middle;
  }
  return high;
}

}  // namespace discreet
