#include "discreet/base/sampling.h"

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <unordered_set>

#include "discreet/base/error.h"
#include "discreet/base/geometric.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

// Wide enough for every product below: stddev <= 2^30 in units of 2^-10 gives numerators under 2^200.
using Integer = boost::multiprecision::uint512_t;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

Integer uniform_below(RandomStream& random, const Integer& n) {
  if (n <= UINT64_MAX) return discreet::uniform_below(random, static_cast<uint64_t>(n));
  const unsigned bits = static_cast<unsigned>(msb(n - 1)) + 1;
  for (;;) {
    Integer candidate = 0;
    for (unsigned have = 0; have < bits; have += 64) {
      const unsigned take = std::min(64u, bits - have);
      candidate = (candidate << take) | Integer(random.next() >> (64 - take));
    }
    if (candidate < n) return candidate;
  }
}

// Bernoulli(numerator / denominator), numerator <= denominator.
bool bernoulli_fraction(RandomStream& random, const Integer& numerator, const Integer& denominator) {
  return uniform_below(random, denominator) < numerator;
}

// Bernoulli(exp(-gamma)) for gamma = numerator / denominator >= 0: Algorithm 1.
bool bernoulli_exp(RandomStream& random, Integer numerator, const Integer& denominator) {
  while (numerator > denominator) {
    if (!bernoulli_exp(random, 1, 1)) return false;
    numerator -= denominator;
  }
  unsigned k = 1;
  while (bernoulli_fraction(random, numerator, denominator * k)) ++k;
  return k % 2 == 1;
}

// Pr[x] proportional to exp(-|x| s / t): Algorithm 2.
int64_t discrete_laplace(RandomStream& random, uint64_t t, uint64_t s) {
  for (;;) {
    const uint64_t remainder = discreet::uniform_below(random, t);
    if (!bernoulli_exp(random, remainder, t)) continue;
    uint64_t quotient = 0;
    while (bernoulli_exp(random, 1, 1)) ++quotient;
    const auto size = static_cast<int64_t>((remainder + t * quotient) / s);
    const bool negative = random.next() >> 63;
    if (negative && size == 0) continue;
    return negative ? -size : size;
  }
}

// A multiple of 2^-10 in [2^-10, 2^30], in units of 2^-10.
uint64_t in_1024ths(double value, const char* what) {
  const double scaled = value * 1024;
  if (!(value >= 0x1p-10 && value <= 0x1p30) || scaled != std::floor(scaled)) {
    refuse(std::string(what) + " must be a multiple of 1/1024 in [1/1024, 2^30], not " +
           format_number(value));
  }
  return static_cast<uint64_t>(scaled);
}

}  // namespace

uint64_t uniform_below(RandomStream& random, uint64_t n) {
  if (n == 0) refuse("uniform_below: n must be at least 1");
  const uint64_t mask = n == 1 ? 0 : ~uint64_t{0} >> std::countl_zero(n - 1);
  for (;;) {
    const uint64_t candidate = random.next() & mask;
    if (candidate < n) return candidate;
  }
}

bool bernoulli(RandomStream& random, double p) {
  if (!(p >= 0 && p <= 1)) refuse("probability must be in [0, 1], not " + format_number(p));
  if (p == 1) return true;
  // A uniform real below p, compared 64 binary digits at a time; every step on p is exact.
  while (p > 0) {
    p = std::ldexp(p, 64);
    const auto digits = static_cast<uint64_t>(p);
    const uint64_t word = random.next();
    if (word != digits) return word < digits;
    p -= static_cast<double>(digits);
  }
  return false;
}

std::vector<int64_t> poisson_sample(RandomStream& random, int64_t n, double sample_rate) {
  if (n < 0) refuse("poisson_sample: n must not be negative");
  if (!(sample_rate >= 0 && sample_rate <= 1)) {
    refuse("sample_rate must be in [0, 1], not " + format_number(sample_rate));
  }
  std::vector<int64_t> drawn;
  if (sample_rate == 0) return drawn;
  const double mean = sample_rate * static_cast<double>(n);
  drawn.reserve(static_cast<size_t>(std::min(mean + 6 * std::sqrt(mean) + 1, static_cast<double>(n))));
  if (sample_rate == 1) {
    for (int64_t i = 0; i < n; ++i) drawn.push_back(i);
    return drawn;
  }
  const Geometric skipped(sample_rate);
  for (int64_t i = skipped.draw(random, n); i < n; i += 1 + skipped.draw(random, n - i - 1))
    drawn.push_back(i);
  return drawn;
}

std::vector<int64_t> choose(RandomStream& random, int64_t n, int64_t k) {
  if (n < 0 || k < 0 || k > n) refuse("choose: need 0 <= k <= n");
  std::unordered_set<int64_t> chosen;
  chosen.reserve(static_cast<size_t>(k));
  for (int64_t last = n - k; last < n; ++last) {
    const auto candidate = static_cast<int64_t>(uniform_below(random, static_cast<uint64_t>(last) + 1));
    if (!chosen.insert(candidate).second) chosen.insert(last);
  }
  std::vector<int64_t> sorted(chosen.begin(), chosen.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

int64_t discrete_laplace(RandomStream& random, double scale) {
  const uint64_t t = in_1024ths(scale, "discrete_laplace: scale");
  const uint64_t common = std::min<uint64_t>(t & -t, 1024);
  return discrete_laplace(random, t / common, 1024 / common);
}

int64_t discrete_gaussian(RandomStream& random, double stddev) {
  // Algorithm 3 with sigma^2 = a / b: accept y with probability exp(-(|y| b t - a)^2 / (2 a b t^2)).
  const Integer k = in_1024ths(stddev, "discrete_gaussian: stddev");
  const Integer a = k * k, b = Integer(1) << 20;
  const uint64_t t = static_cast<uint64_t>(stddev) + 1;
  const Integer denominator = 2 * a * b * t * t;
  for (;;) {
    const int64_t y = discrete_laplace(random, t, 1);
    const Integer left = Integer(static_cast<uint64_t>(std::abs(y))) * b * t;
    const Integer gap = left > a ? left - a : a - left;
    if (bernoulli_exp(random, gap * gap, denominator)) return y;
  }
}

}  // namespace discreet
