#include "discreet/accounting/calibrate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "discreet/accounting/event.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kMinNoise = 1e-3, kMaxNoise = 1e8, kMinRate = 1e-9;
constexpr double kTolerance = 1e-4;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

void check(const Target& target) {
  if (!(target.epsilon >= kMinTargetEpsilon && target.epsilon <= kMaxTargetEpsilon))
    refuse("epsilon must be in [0.001, 1000], not " + format_number(target.epsilon));
  if (!(target.delta > 0 && target.delta < 1))
    refuse("delta must be above 0 and below 1, not " + format_number(target.delta));
}

void check_rate(double sample_rate) {
  if (!(sample_rate > 0 && sample_rate <= 1))
    refuse("sample_rate must be above 0 and at most 1, not " + format_number(sample_rate));
}

void check_steps(int64_t steps) {
  if (steps < 1 || steps > int64_t{1} << 53)
    refuse("steps must be in [1, 2^53], not " + std::to_string(steps));
}

double epsilon_of(const Target& target, Accountant accountant, double rate, double noise, double steps) {
  const Event step = Event::poisson_sampled(rate, Event::gaussian(noise));
  return upper_epsilon(accountant, Event::repeated(step, static_cast<int64_t>(steps)), target.relation,
                       target.delta);
}

// The x with f(x) at most `goal` that is nearest to it, f being positive and falling in x, near a power of
// it: f(high) <= goal < f(low) to begin with. same(low, high): there is nothing between them.
double least(const std::function<double(double)>& f, double goal, double low, double at_low, double high,
             double at_high, const std::function<bool(double, double)>& same) {
  for (int round = 0; at_high < goal * (1 - kTolerance) && !same(low, high); ++round) {
    const double aim = goal * (1 - kTolerance / 2);
    double share = std::log(at_low / aim) / std::log(at_low / at_high);
    if (round % 3 == 2 || !(share > 0 && share < 1)) share = 0.5;
    const double middle = low * std::pow(high / low, share);
    if (!(middle > low && middle < high)) break;
    const double at_middle = f(middle);
    (at_middle <= goal ? high : low) = middle;
    (at_middle <= goal ? at_high : at_low) = at_middle;
  }
  return high;
}

// The least x in [from, to] with f(x) <= goal, searched from `guess` outwards; `to` times 2 if there is none.
double least_around(const std::function<double(double)>& f, double goal, double guess, double from, double to,
                    double stride, const std::function<bool(double, double)>& same) {
  double low = guess, high = guess, at_low = f(guess), at_high = at_low;
  while (at_high > goal) {
    if (high >= to) return 2 * to;
    low = high;
    at_low = at_high;
    high = std::min(high * stride, to);
    at_high = f(high);
    stride *= stride;
  }
  while (at_low <= goal) {
    high = low;
    at_high = at_low;
    if (low <= from) return low;
    low = std::max(low / stride, from);
    at_low = f(low);
    stride *= stride;
  }
  return least(f, goal, low, at_low, high, at_high, same);
}

bool close(double low, double high) {
  return high <= low * (1 + 1e-9);
}

}  // namespace

double calibrate_noise_multiplier(const Target& target, double sample_rate, int64_t steps) {
  check(target);
  check_rate(sample_rate);
  check_steps(steps);
  const auto by = [&](Accountant accountant) {
    return [&, accountant](double noise) {
      return epsilon_of(target, accountant, sample_rate, noise, static_cast<double>(steps));
    };
  };
  // A Renyi bound takes microseconds, and is a few per cent above.
  double noise = least_around(by(Accountant::kRdp), target.epsilon, 1, kMinNoise, kMaxNoise, 2, close);
  if (target.accountant == Accountant::kPld && noise <= kMaxNoise)
    noise = least_around(by(Accountant::kPld), target.epsilon, noise, kMinNoise, kMaxNoise, 1.1, close);
  if (noise > kMaxNoise) {
    throw Error(ErrorKind::kUnsupported, "epsilon " + format_number(target.epsilon) +
                                             " is out of reach: it would take a noise_multiplier above 1e8");
  }
  return noise;
}

int64_t calibrate_steps(const Target& target, double sample_rate, double noise_multiplier) {
  check(target);
  check_rate(sample_rate);
  const auto by = [&](Accountant accountant) {
    return [&, accountant](double inverse) {  // of the number of steps, in which epsilon falls
      return epsilon_of(target, accountant, sample_rate, noise_multiplier, std::floor(1 / inverse));
    };
  };
  const auto same = [](double low, double high) { return std::floor(1 / low) <= std::floor(1 / high) + 1; };
  double inverse = least_around(by(Accountant::kRdp), target.epsilon, 0x1p-10, 0x1p-53, 1, 4, same);
  if (target.accountant == Accountant::kPld)
    inverse =
        least_around(by(Accountant::kPld), target.epsilon, std::min(inverse, 1.), 0x1p-53, 1, 1.1, same);
  return inverse > 1 ? 0 : static_cast<int64_t>(std::floor(1 / inverse));
}

double calibrate_sample_rate(const Target& target, double noise_multiplier, int64_t steps) {
  check(target);
  check_steps(steps);
  const auto by = [&](Accountant accountant) {
    return [&, accountant](double inverse) {
      return epsilon_of(target, accountant, 1 / inverse, noise_multiplier, static_cast<double>(steps));
    };
  };
  double inverse = least_around(by(Accountant::kRdp), target.epsilon, 100, 1, 1 / kMinRate, 4, close);
  if (target.accountant == Accountant::kPld)
    inverse = least_around(by(Accountant::kPld), target.epsilon, std::min(inverse, 1 / kMinRate), 1,
                           1 / kMinRate, 1.1, close);
  return inverse * kMinRate > 1.5 ? 0 : 1 / inverse;
}

}  // namespace discreet
