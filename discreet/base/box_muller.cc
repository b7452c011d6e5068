#include "discreet/base/box_muller.h"

#include <quadmath.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace discreet {
namespace {

// Bits of the angle after its sign, as a number in [0, 2^31).
uint32_t angle_digits(uint32_t angle_word) {
  return (angle_word ^ 0x80000000u) >> 1;
}

bool is_negative(uint32_t angle_word) {
  return angle_word & 1;
}

// 0.lead more more ... in binary, lead of `bits` digits, with at least 113 significant ones.
__float128 extended(uint64_t lead, int bits, const std::function<uint64_t()>& next) {
  while (lead == 0) {
    lead = next();
    bits += 64;
  }
  __float128 value = ldexpq(static_cast<__float128>(lead), -bits);
  for (int i = 0; i < 2; ++i) {
    bits += 64;
    value += ldexpq(static_cast<__float128>(next()), -bits);
  }
  return value;
}

}  // namespace

// The digits not drawn move u by at most 2^-33 from the middle of its interval and x by pi 2^-32. The
// derivative of r is -1 / (u r); from the middle to an end of the interval it grows by less than a hundredth,
// for u and 1 - u are above 2^-24. The C library's functions are good to a few units of 2^-53: 2^-45 r is
// ample.
double box_muller_double(uint32_t radius_word, uint32_t angle_word, double scale, double noise[2]) {
  const bool high = radius_word >> 31;  // there 1 - u is used, so that the logarithm keeps its precision
  const double nearer = (static_cast<double>(high ? ~radius_word : radius_word) + 0.5) * 0x1p-32;
  const double r = std::sqrt(-2 * (high ? std::log1p(-nearer) : std::log(nearer)));
  const double v = (static_cast<double>(angle_digits(angle_word)) + 0.5) * 0x1p-31;
  const double x = std::numbers::pi * (v - 0.5), signed_r = is_negative(angle_word) ? -r : r;
  noise[0] = scale * (signed_r * std::cos(x));
  noise[1] = scale * (signed_r * std::sin(x));
  if (nearer < 0x1p-24) return std::numeric_limits<double>::infinity();
  const double u = high ? 1 - nearer : nearer;
  return scale * (1.01 * 0x1p-33 / (u * r) + (std::numbers::pi * 0x1p-32 + 0x1p-45) * r);
}

void box_muller_quad(uint32_t radius_word, uint32_t angle_word, const std::function<uint64_t()>& next,
                     double scale, __float128 noise[2]) {
  const bool high = radius_word >> 31;
  const __float128 nearer = extended(high ? ~radius_word : radius_word, 32, next);
  __float128 r = scale * sqrtq(-2 * (high ? log1pq(-nearer) : logq(nearer)));
  if (is_negative(angle_word)) r = -r;
  const __float128 x = (extended(angle_digits(angle_word), 31, next) - 0.5) * (4 * atanq(1));
  __float128 sine, cosine;
  sincosq(x, &sine, &cosine);
  noise[0] = r * cosine;
  noise[1] = r * sine;
}

}  // namespace discreet
