#include "discreet/accounting/renyi_fixed_size_gaussian.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace discreet {
namespace {

constexpr double kUp = 1 + 1e-12;       // outweighs the roundings of a few products
constexpr double kMaxWholeOrder = 512;  // above it Theorem 9, a sum of as many terms, is left out

double log_add(double a, double b) {
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

class FixedSize {
 public:
  FixedSize(double rate, double noise) : q_(rate), slope_(2 / noise / noise) {}

  // Upper bound on K(a).
  double cumulant(double a) const {
    const double unsampled = (a - 1) * a * slope_;
    return std::min(unsampled, log_add(std::log1p(-q_), std::log(q_) + unsampled));
  }

  // The same for a whole a >= 1.
  double whole_cumulant(double a) const {
    if (a == 1) return 0;
    const double second = 2 * slope_;
    double log_power = 2 * std::log(q_) + std::log(a * (a - 1) / 2);  // ln q^j C(a, j)
    double sum = log_power + std::min(std::log(4 * std::expm1(second)), std::log(2.0) + second);
    double size = std::abs(log_power);  // of what is rounded
    for (double j = 3; j <= a; ++j) {
      log_power += std::log(q_) + std::log((a - j + 1) / j);
      sum = log_add(sum, log_power + std::log(2.0) + (j - 1) * j * slope_);
      size = std::max(size, std::abs(log_power) + j * j * slope_);
    }
    const double rounding = 8 * a * std::numeric_limits<double>::epsilon() * (1 + size);
    return std::min(cumulant(a), sum > 700 ? sum + rounding : std::log1p(std::exp(sum + rounding)));
  }

 private:
  double q_, slope_;
};

}  // namespace

double renyi_fixed_size_gaussian(double sample_rate, double noise_multiplier, double order) {
  assert(sample_rate >= 0 && sample_rate <= 1 && noise_multiplier > 0 && order > 1);
  if (sample_rate == 0) return 0;
  const double unsampled = 2 * order / noise_multiplier / noise_multiplier;
  if (sample_rate == 1) return unsampled * kUp;
  const FixedSize bound(sample_rate, noise_multiplier);
  double cumulant = bound.cumulant(order);
  if (order <= kMaxWholeOrder) {
    const double below = std::floor(order), share = order - below;
    cumulant = std::min(cumulant, (1 - share) * bound.whole_cumulant(below) +
                                      (share > 0 ? share * bound.whole_cumulant(below + 1) : 0));
  }
  return std::min(unsampled, cumulant / (order - 1)) * kUp + std::numeric_limits<double>::min();
}

}  // namespace discreet
