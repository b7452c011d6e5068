#include "discreet/accounting/plain_gaussian.h"

#include <algorithm>
#include <cmath>

namespace discreet {
namespace {

double normal_cdf(double x) {
  return std::erfc(-x * 0.70710678118654752440) / 2;
}

// Of what falls in epsilon, where it passes `delta`: the last found above, the first found not above.
template <typename Function>
std::pair<double, double> crossing(const Function& falls, double delta) {
  if (!(falls(0) > delta)) return {0, 0};
  double low = 0, high = 1;
  while (falls(high) > delta) {
    low = high;
    high *= 2;
  }
  for (int round = 0; round < 200 && high - low > 1e-15 * high; ++round) {
    const double middle = low + (high - low) / 2;
    (falls(middle) > delta ? low : high) = middle;
  }
  return {low, high};
}

}  // namespace

std::pair<double, double> plain_gaussian_delta(double mu, double epsilon) {
  // Phi(mu / 2 - epsilon / mu) - e^epsilon Phi(z)
  const double ratio = epsilon / mu, first = normal_cdf(mu / 2 - ratio), z = -mu / 2 - ratio;
  double second_low, second_high;
  if (z > -37) {
    second_low = second_high = std::exp(epsilon) * normal_cdf(z);
  } else {
    // Where e^epsilon may overflow: Phi(z) is between the first terms of its asymptotic series.
    const double most = std::exp(epsilon - z * z / 2) / (-z * 2.5066282746310002), y = 1 / (z * z);
    second_low = most * (1 - y);
    second_high = most * (1 - y + 3 * y * y);
  }
  // An argument that is off by a rounding moves ln Phi by |z| times that; so does one of e^epsilon.
  const double error = (first + second_high) * (8 + 4 * z * z + epsilon) * 0x1p-52;
  return {std::max(0.0, first - second_high - error), std::clamp(first - second_low + error, 0.0, 1.0)};
}

std::pair<double, double> plain_gaussian_epsilon(double mu, double delta) {
  const auto lower = [&](double epsilon) { return plain_gaussian_delta(mu, epsilon).first; };
  const auto upper = [&](double epsilon) { return plain_gaussian_delta(mu, epsilon).second; };
  return {crossing(lower, delta).first, crossing(upper, delta).second};
}

}  // namespace discreet
