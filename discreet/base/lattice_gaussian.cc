#include "discreet/base/lattice_gaussian.h"

#include <quadmath.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

// The same source compiled for wider vectors and chosen when the program starts. Rounded results do not
// depend on which: that is what the error bound is for.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DISCREET_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DISCREET_VECTOR_CLONES
#endif

namespace discreet {
namespace internal {
namespace {

constexpr int kPairs = 128;
constexpr double kPi = 3.14159265358979323846;

// The 52 highest bits of `word` as the middle of their interval in (0, 1): within 2^-53 of any extension.
inline double unit(uint64_t word) {
  return (std::bit_cast<double>((word >> 12) | 0x3FF0000000000000u) - 1) + 0x1p-53;
}

// -ln(u) for u in [2^-20, 1 - 2^-20], relative error below 2^-38: u = 2^e m, m in [sqrt(1/2), sqrt(2)),
// ln m = 2 artanh(t), t = (m - 1) / (m + 1), |t| < 0.1716; the series is cut after t^13.
inline double minus_log(double u) {
  constexpr uint64_t kRootHalf = 0x3FE6A09E00000000u, kBias = uint64_t{64} << 52;
  const uint64_t shifted = std::bit_cast<uint64_t>(u) - kRootHalf + kBias;
  const double exponent = std::bit_cast<double>((shifted >> 52) | 0x4330000000000000u) - (0x1p52 + 64);
  const double m = std::bit_cast<double>((shifted & 0x000FFFFFFFFFFFFFu) + kRootHalf);
  const double t = (m - 1) / (m + 1), s = t * t;
  const double series =
      2 * t * (1 + s * (1. / 3 + s * (1. / 5 + s * (1. / 7 + s * (1. / 9 + s * (1. / 11 + s * (1. / 13)))))));
  return -(exponent * 0.69314718055994530942 + series);
}

// sin and cos for x in [0, pi / 4]: Taylor to x^13 and x^12, errors below 2^-45 and 2^-41.
inline double sine(double x) {
  const double s = x * x;
  return x * (1 + s * (-1. / 6 +
                       s * (1. / 120 + s * (-1. / 5040 + s * (1. / 362880 + s * (-1. / 39916800 +
                                                                                 s * (1. / 6227020800)))))));
}
inline double cosine(double x) {
  const double s = x * x;
  return 1 + s * (-1. / 2 + s * (1. / 24 + s * (-1. / 720 + s * (1. / 40320 + s * (-1. / 3628800 +
                                                                                   s * (1. / 479001600))))));
}

// The octant of the angle: bit 63 the sign of the first value, 62 of the second, 61 exchanges them; the
// other 61 bits are the angle within the octant.
constexpr uint64_t kSign = uint64_t{1} << 63, kSwap = uint64_t{1} << 61;

// The tails, where the bound below would not hold: the radius word's uniform outside [2^-20, 1 - 2^-20).
inline bool in_tail(uint64_t radius_word) {
  return radius_word - (uint64_t{1} << 44) >= uint64_t{0} - (uint64_t{1} << 45);
}

// Two values of noise in steps; NaN, which nothing below trusts, in the tails.
inline void box_muller(uint64_t radius_word, uint64_t angle_word, double scale, double& first,
                       double& second) {
  const double radius = in_tail(radius_word) ? std::numeric_limits<double>::quiet_NaN()
                                             : scale * std::sqrt(2 * minus_log(unit(radius_word)));
  const double angle = unit(angle_word << 3) * (kPi / 4);
  const double c = radius * cosine(angle), s = radius * sine(angle);
  const bool swap = (angle_word & kSwap) != 0;
  first = std::bit_cast<double>(std::bit_cast<uint64_t>(swap ? s : c) ^ (angle_word & kSign));
  second = std::bit_cast<double>(std::bit_cast<uint64_t>(swap ? c : s) ^ ((angle_word << 1) & kSign));
}

// Error of the noise in steps, scale < 2^11, radius < 5.3, so noise < 2^13.4:
//   52 bits of the radius uniform: at most 2^-53 / u in ln u, worst at u = 2^-20: 2^-24.4
//   series of ln: 2^13.4 * 2^-39 = 2^-25.6; sine and cosine: 2^13.4 * 2^-41 = 2^-27.6
//   52 bits of the angle and roundings of doubles: below 2^-35
// in all below 2^-22; kFastError is 16 times that.
static_assert(kFastError >= 16 * 0x1p-22);

// values[i] and values[kPairs + i] += noise of words[i], words[kPairs + i], rounded; false in trusted[i]
// where a boundary is too near, the uniform is in a tail, or a value is too big for the fast path.
DISCREET_VECTOR_CLONES
void fast_block(const uint64_t* words, double scale, double step, const double* values, double* out,
                uint64_t* trusted) {
  const double inverse = 1 / step;
  for (int i = 0; i < kPairs; ++i) {
    double noise0, noise1;
    box_muller(words[i], words[kPairs + i], scale, noise0, noise1);
    const double scaled0 = values[i] * inverse, scaled1 = values[kPairs + i] * inverse;
    const double whole0 = std::rint(scaled0), whole1 = std::rint(scaled1);
    const double sum0 = (scaled0 - whole0) + noise0, sum1 = (scaled1 - whole1) + noise1;
    const double rounded0 = std::rint(sum0), rounded1 = std::rint(sum1);
    // + 0.0 makes a negative zero positive: the sign of a zero would tell on which side the sum was.
    out[i] = ((whole0 + rounded0) + 0.0) * step;
    out[kPairs + i] = ((whole1 + rounded1) + 0.0) * step;
    const double distance = std::max(std::abs(sum0 - rounded0), std::abs(sum1 - rounded1));
    const double size = std::max(std::abs(scaled0), std::abs(scaled1));
    trusted[i] = (distance < 0.5 - kFastError) & (size < 0x1p52);
  }
}

// lead.more more ... as a binary fraction (0.lead...) with at least 113 significant bits.
__float128 extended(uint64_t lead, int lead_bits, RandomStream& more) {
  int shift = lead_bits;
  while (lead == 0) {
    lead = more.next();
    shift += 64;
  }
  __float128 value = ldexpq(static_cast<__float128>(lead), -shift);
  for (int i = 0; i < 2; ++i) {
    shift += 64;
    value += ldexpq(static_cast<__float128>(more.next()), -shift);
  }
  return value;
}

void slow_noise(uint64_t radius_word, uint64_t angle_word, RandomStream& more, double scale,
                __float128 noise[2]) {
  // Above one half, 1 - u is extended instead, so that the logarithm near 1 keeps its relative precision.
  const bool high = radius_word >> 63;
  const __float128 u = extended(high ? ~radius_word : radius_word, 64, more);
  const __float128 radius = scale * sqrtq(-2 * (high ? log1pq(-u) : logq(u)));
  const __float128 angle = extended(angle_word & (kSwap - 1), 61, more) * atanq(1);
  __float128 s, c;
  sincosq(angle, &s, &c);
  const bool swap = (angle_word & kSwap) != 0;
  noise[0] = radius * (swap ? s : c);
  noise[1] = radius * (swap ? c : s);
  if (angle_word & kSign) noise[0] = -noise[0];
  if ((angle_word << 1) & kSign) noise[1] = -noise[1];
}

// (value + noise steps) rounded. In __float128 the noise is right to 2^-90 steps.
double round_slowly(double value, __float128 noise, double step) {
  const double scaled = value / step;
  if (std::abs(scaled) < 0x1p52) {
    const double whole = std::rint(scaled);
    return (whole + static_cast<double>(rintq((scaled - whole) + noise)) + 0.0) * step;
  }
  // Doubles this big are multiples of the step: only the noise needs rounding.
  return value + static_cast<double>(rintq(noise)) * step;
}

void add(RandomStream& random, double stddev, std::span<double> values, bool always_slow) {
  const double step = lattice_step(stddev), scale = stddev / step;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(
          ErrorKind::kInvalidArgument,
          "value " + std::to_string(i) + " of the sum is not finite: noise is added to finite sums only");
    }
  }
  RandomStream more = random.split();
  std::array<uint64_t, 2 * kPairs> words;
  std::array<double, 2 * kPairs> in{}, out;
  std::array<uint64_t, kPairs> trusted;
  while (!values.empty()) {
    const size_t count = std::min(values.size(), in.size());
    // A short last block draws only the words that it needs: `pairs` radii, then as many angles.
    const size_t pairs = count == in.size() ? size_t{kPairs} : (count + 1) / 2;
    random.fill(std::as_writable_bytes(std::span(words).first(pairs)));
    random.fill(std::as_writable_bytes(std::span(words).subspan(kPairs, pairs)));
    std::fill(words.begin() + static_cast<ptrdiff_t>(pairs), words.begin() + kPairs, kSign);
    std::fill(words.begin() + static_cast<ptrdiff_t>(kPairs + pairs), words.end(), 0);
    std::copy_n(values.begin(), pairs, in.begin());
    std::copy(values.begin() + static_cast<ptrdiff_t>(pairs), values.begin() + static_cast<ptrdiff_t>(count),
              in.begin() + kPairs);
    fast_block(words.data(), scale, step, in.data(), out.data(), trusted.data());
    for (size_t i = 0; i < pairs; ++i) {
      if (trusted[i] && !always_slow) continue;
      __float128 noise[2];
      slow_noise(words[i], words[kPairs + i], more, scale, noise);
      out[i] = round_slowly(in[i], noise[0], step);
      out[kPairs + i] = round_slowly(in[kPairs + i], noise[1], step);
    }
    std::copy_n(out.begin(), pairs, values.begin());
    std::copy_n(out.begin() + kPairs, count - pairs, values.begin() + static_cast<ptrdiff_t>(pairs));
    values = values.subspan(count);
  }
}

}  // namespace

bool fast_pair(uint64_t radius_word, uint64_t angle_word, double scale, double noise[2]) {
  box_muller(radius_word, angle_word, scale, noise[0], noise[1]);
  return !std::isnan(noise[0]);
}

void slow_pair(uint64_t radius_word, uint64_t angle_word, RandomStream& more, double scale, double high[2],
               double low[2]) {
  __float128 noise[2];
  slow_noise(radius_word, angle_word, more, scale, noise);
  for (int i = 0; i < 2; ++i) {
    high[i] = static_cast<double>(noise[i]);
    low[i] = static_cast<double>(noise[i] - high[i]);
  }
}

void add_lattice_gaussian_slowly(RandomStream& random, double stddev, std::span<double> values) {
  add(random, stddev, values, true);
}

}  // namespace internal

double lattice_step(double stddev) {
  if (!(stddev >= 0x1p-900 && stddev <= 0x1p900)) {
    throw Error(ErrorKind::kInvalidArgument,
                "stddev of the noise must be in [2^-900, 2^900], not " + format_number(stddev));
  }
  return std::ldexp(1.0, std::ilogb(stddev) - 10);
}

void add_lattice_gaussian(RandomStream& random, double stddev, std::span<double> values) {
  internal::add(random, stddev, values, false);
}

}  // namespace discreet
