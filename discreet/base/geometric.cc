#include "discreet/base/geometric.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

using Integer = boost::multiprecision::cpp_int;

// A real number between low / 2^bits and high / 2^bits.
struct Bracket {
  Integer low, high;
};

Bracket product(const Bracket& a, const Bracket& b, unsigned bits) {
  return {(a.low * b.low) >> bits, ((a.high * b.high) >> bits) + 1};
}

// 1 - success.
Bracket failure(double success, unsigned bits) {
  int exponent;
  const double mantissa = std::frexp(success, &exponent);
  const Integer digits =
      static_cast<uint64_t>(std::ldexp(mantissa, 53));  // success = digits 2^(exponent - 53)
  const int shift = static_cast<int>(bits) + exponent - 53;
  const Integer one = Integer(1) << bits;
  if (shift >= 0) return {one - (digits << shift), one - (digits << shift)};
  const Integer floor = digits >> -shift;
  return {one - floor - 1, one - floor};
}

// (1 - success)^k by repeated squaring.
Bracket power_of_failure(double success, uint64_t k, unsigned bits) {
  Bracket square = failure(success, bits), power = {Integer(1) << bits, Integer(1) << bits};
  for (; k > 0; k >>= 1) {
    if (k & 1) power = product(power, square, bits);
    square = product(square, square, bits);
  }
  return power;
}

// A uniform real in [0, 1), known to as many binary digits as were needed.
class Uniform {
 public:
  Uniform(uint64_t word, const std::function<uint64_t()>& next) : next_(next), digits_(word) {}

  bool is_below_power_of_failure(double success, uint64_t k) {
    for (;; extend()) {
      const Bracket power = power_of_failure(success, k, bits_);
      if (digits_ < power.low) return true;
      if (digits_ >= power.high) return false;
    }
  }

 private:
  void extend() {
    digits_ = (digits_ << 64) | Integer(next_());
    bits_ += 64;
  }

  const std::function<uint64_t()>& next_;
  Integer digits_;
  unsigned bits_ = 64;
};

}  // namespace

Geometric::Geometric(double success) : success_(success), minus_log_failure_(-std::log1p(-success)) {
  if (!(success > 0 && success < 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "probability of success must be in (0, 1), not " + format_number(success));
  }
}

int64_t Geometric::draw(RandomStream& random, int64_t limit) const {
  const uint64_t word = random.next();
  return draw_from(
      word, [&] { return random.next(); }, limit, false);
}

// U is in [word, word + 1) 2^-64, so ln U is within 1 / word of ln(word 2^-64); the conversion of word to a
// double and the C library's logarithms are good to 2^-52 and, in relative terms, to 2^-50. The bound takes
// more of each.
int64_t Geometric::draw_from(uint64_t word, const std::function<uint64_t()>& next, int64_t limit,
                             bool exactly) const {
  int64_t low = 0, high = limit;
  if (!exactly && word > 0) {
    const auto from = static_cast<double>(word);
    const double trials = -std::log(from * 0x1p-64) / minus_log_failure_;
    const double error = (1 / from + 0x1p-50) / minus_log_failure_ + trials * 0x1p-46;
    if (std::isfinite(trials + error)) {
      const auto clamped = [&](double x) {
        return x <= 0 ? 0 : x >= static_cast<double>(limit) ? limit : static_cast<int64_t>(x);
      };
      low = clamped(trials - error);
      high = clamped(trials + error);
    }
  }
  // low failures are sure, more than high impossible (or not asked for).
  Uniform uniform(word, next);
  while (low < high) {
    const int64_t middle = high - (high - low) / 2;
    if (uniform.is_below_power_of_failure(success_, static_cast<uint64_t>(middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace discreet
