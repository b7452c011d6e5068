#include "discreet/accounting/normal_mass.h"

#include <cmath>
#include <numbers>
#include <tuple>
#include <utility>

namespace discreet {
namespace {

constexpr double kInverseSqrtTwoPi = 0.39894228040143267794;

// The density's Taylor series about the middle m, integrated over half a width w to either side:
//   2 w phi(m) sum_k He_2k(m) w^2k / (2k + 1)!
// With w (1 + |m|) <= 1/8 the first term left out, k = 5, is below 2^-53 of the sum.
double narrow(double middle, double half) {
  const double m2 = middle * middle, w2 = half * half;
  const double he2 = m2 - 1, he4 = (m2 - 6) * m2 + 3, he6 = ((m2 - 15) * m2 + 45) * m2 - 15,
               he8 = (((m2 - 28) * m2 + 210) * m2 - 420) * m2 + 105;
  const double series = 1 + w2 * (he2 / 6 + w2 * (he4 / 120 + w2 * (he6 / 5040 + w2 * (he8 / 362880))));
  return 2 * half * kInverseSqrtTwoPi * std::exp(-m2 / 2) * series;
}

}  // namespace

double normal_mass(double low, double high, double mean) {
  if (!(low < high)) return 0;
  const double half = (high - low) / 2, middle = low + half - mean;
  if (half * (1 + std::abs(middle)) <= 0.125) return narrow(middle, half);
  low -= mean;
  high -= mean;
  if (low > 0) std::tie(low, high) = std::pair(-high, -low);
  constexpr double kScale = std::numbers::sqrt2 / 2;
  if (high <= 0) return (std::erfc(-high * kScale) - std::erfc(-low * kScale)) / 2;
  return (std::erf(high * kScale) + std::erf(-low * kScale)) / 2;
}

}  // namespace discreet
