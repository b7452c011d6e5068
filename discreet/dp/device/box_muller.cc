#include "discreet/dp/device/box_muller.h"

#include <quadmath.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "discreet/dp/device/secrets.h"
#include "discreet/dp/device/wide.h"

namespace discreet::device {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int32_t kHighBit = std::numeric_limits<int32_t>::min();

// Words as whole numbers in [0, 2^32).
at::Tensor unsigned_doubles(const at::Tensor& words) {
  return words.bitwise_xor(kHighBit).to(at::kDouble).add_(0x1p31);
}

// Constants of the wide evaluation: one tensor, and so one copy to the device.
class Tables {
 public:
  static constexpr int64_t kExponents = 161;                     // u >= 2^-160
  static constexpr int64_t kFirstShare = 255, kLastShare = 513;  // 512ths
  static constexpr int64_t kShares = kLastShare - kFirstShare + 1;
  static constexpr int64_t kTerms = 16;
  // Five words of 32 digits: the limb that begins where one ends, or next after, and the power of two that
  // makes it whole there.
  static constexpr int64_t kWords = 5, kWordLimbs = 9;

  explicit Tables(at::Device device) : at_(host().to(device, /*non_blocking=*/true)) {
    exponents = next({3 + kLimbs, kExponents});
    shares = next({kLimbs, kShares});
    octants = next({6, 8});
    series = next({kLimbs, kTerms, 3, 1});
    first = next({kLimbs, 3, 1});
    places = next({kWords, 2, 1});
    word_limbs = next({kWords});
  }

  at::Tensor exponents;   // for 2^-k: limbs to shift by, the power of two that is left, 2^k, k ln 2
  at::Tensor shares;      // ln(c / 512)
  at::Tensor octants;     // see angles()
  at::Tensor series;      // of ln(1 + f), cos(pi t), sin(pi t) / t: the factors of f^j, t^2j, t^2j, j >= 1
  at::Tensor first;       // and of the power 0
  at::Tensor places;      // of a word's unit in its limb, for u and for v - 1/2
  at::Tensor word_limbs;  // which limb

 private:
  static void put(std::vector<double>& to, const std::vector<__float128>& values) {
    for (size_t limb = 0; limb < kLimbs; ++limb)
      for (const __float128 value : values) to.push_back(limbs_of(value)[limb]);
  }

  static at::Tensor host() {
    static const at::Tensor all = [] {
      std::vector<double> to;
      std::vector<__float128> values;
      const __float128 pi = 4 * atanq(1), ln2 = logq(2);
      // y c 2^k / 512 is y c 2^(k + 11), one limb lower.
      for (int k = 0; k < kExponents; ++k) to.push_back((k + 11) / kLimbBits);
      for (int k = 0; k < kExponents; ++k) to.push_back(std::ldexp(1., (k + 11) % kLimbBits));
      for (int k = 0; k < kExponents; ++k) to.push_back(std::ldexp(1., k));
      for (int k = 0; k < kExponents; ++k) values.push_back(k * ln2);
      put(to, values);

      // ln(1/2) must cancel ln 2 in every limb, for there u is near 1 and the square root of what is left
      // counts.
      values.clear();
      for (int64_t c = kFirstShare; c <= kLastShare; ++c)
        values.push_back(c == 256 ? -ln2 : logq(static_cast<__float128>(c) / 512));
      put(to, values);

      for (int row = 0; row < 6; ++row) {
        for (int octant = 0; octant < 8; ++octant) {
          const int quarter = octant / 2 - 2;  // of v - 1/2, rounded down
          const bool outer = quarter == -2 || quarter == 1;
          const double side = quarter < 0 ? -1 : 1, sign = octant % 2 ? -1 : 1;
          const double rows[6] = {outer ? -side : 1, outer ? 0.5 : 0,         outer ? 0 : sign,
                                  outer ? sign : 0,  outer ? sign * side : 0, outer ? 0 : sign};
          to.push_back(rows[row]);
        }
      }

      values.clear();
      __float128 cosine = 1, sine = pi;
      for (int j = 1; j <= kTerms; ++j) {
        cosine *= -pi * pi / ((2 * j - 1) * (2 * j));
        sine *= -pi * pi / ((2 * j) * (2 * j + 1));
        values.insert(values.end(), {(j % 2 ? 1 : -1) / static_cast<__float128>(j), cosine, sine});
      }
      put(to, values);
      put(to, {0, 1, pi});
      to.insert(to.end(), {0x1p8, 0x1p8, 0x1p16, 0x1p17, 0x1p4, 0x1p5, 0x1p12, 0x1p13, 1, 2});
      to.insert(to.end(), {2, 4, 5, 7, 8});
      return at::tensor(to, at::kDouble);
    }();
    return all;
  }

  at::Tensor next(at::IntArrayRef shape) {
    int64_t size = 1;
    for (const int64_t extent : shape) size *= extent;
    position_ += size;
    return at_.narrow(0, position_ - size, size).view(shape);
  }

  at::Tensor at_;
  int64_t position_ = 0;
};

// -> [rows of the table, n]. numbers: whole.
at::Tensor columns_of(const at::Tensor& table, const at::Tensor& numbers) {
  return table.index({at::indexing::Slice(), numbers.to(at::kLong)});
}

// 160 digits each of min(u, 1 - u) and of v - 1/2 -> [9, 2, n], exact and settled.
at::Tensor all_digits(const at::Tensor& radius, const at::Tensor& angle, const at::Tensor& further,
                      const Tables& tables) {
  const int64_t n = radius.size(0);
  // The leading words: ~w for a high w; and angle digits less 2^30, which is the signed word without its bit
  // 0.
  const at::Tensor leading =
      at::stack({radius.bitwise_xor(radius.bitwise_right_shift(31)), angle.bitwise_and(-2)}).to(at::kDouble);
  const at::Tensor halves = further.reshape({4, 2, n});
  const at::Tensor high_first = at::cat({halves.narrow(1, 1, 1), halves.narrow(1, 0, 1)}, 1);
  const at::Tensor rest = unsigned_doubles(high_first).view({2, 4, n}).transpose(0, 1);
  const at::Tensor words = at::cat({leading.unsqueeze(0), rest}).mul_(tables.places);
  at::Tensor limbs = at::zeros({Tables::kWordLimbs, 2, n}, words.options());
  limbs.index_copy_(0, tables.word_limbs.to(at::kLong), words);
  return settle(limbs, 3);
}

struct Logarithm {
  at::Tensor f;     // [kLimbs, n], settled, |f| <= 2^-9
  at::Tensor rest;  // [kLimbs, n]: -ln u = rest - ln(1 + f)
};

// u = 2^-k m with m in [1, 2), and c in 512ths near 1 / m: u 2^k c = 1 + f. Where u is near 1, k = 1 and
// c = 1/2, so that f = u - 1. The error of f is that of a cut of limbs below 2^-160 and more.
Logarithm logarithm(const at::Tensor& nearer, const at::Tensor& radius, const Tables& tables) {
  const at::Tensor high = radius.lt(0).to(at::kDouble);
  at::Tensor u = nearer * (1 - 2 * high);
  u.select(0, 0).add_(high);
  const at::Tensor leading = to_double(u);
  const at::Tensor k = leading.log2().floor_().neg_().clamp_(0, double(Tables::kExponents - 1));
  const at::Tensor exponent = columns_of(tables.exponents, k);
  const at::Tensor share = (leading * exponent.select(0, 2))
                               .reciprocal_()
                               .mul_(512)
                               .round_()
                               .clamp_(double(Tables::kFirstShare), double(Tables::kLastShare));
  const at::Tensor from = exponent.select(0, 0).to(at::kLong) +
                          at::arange(kProductLimbs, radius.options().dtype(at::kLong)).unsqueeze(1);
  at::Tensor f = at::constant_pad_nd(u, {0, 0, 1, kLimbs}, 0).gather(0, from);
  f.mul_(exponent.select(0, 1) * share);
  f = settle(f, 3).narrow(0, 0, kLimbs);
  f.select(0, 0).sub_(1);
  return {f, exponent.narrow(0, 3, kLimbs) + columns_of(tables.shares, share - double(Tables::kFirstShare))};
}

// [kLimbs, 2, n] -> powers 1 to 16, [kLimbs, 16, 2, n]: each batch doubles them.
at::Tensor powers_of(const at::Tensor& x) {
  at::Tensor powers = x.unsqueeze(1);
  while (powers.size(1) < Tables::kTerms)
    powers = at::cat({powers, product(powers, powers.narrow(1, powers.size(1) - 1, 1))}, 1);
  return powers;
}

// sqrt of doubles and one step of Newton's: what is left is (r - r0)^2 / (2 r) < 2^-103 r and the rounding of
// that step, 2^-52 of its size.
at::Tensor square_root(const at::Tensor& x) {
  const at::Tensor root = to_double(x).clamp_min_(0x1p-140).sqrt_();
  const at::Tensor coarse = from_double(root);
  const at::Tensor left = settle(x - product(coarse, coarse));
  return from_double(to_double(left).div_(root).mul_(0.5)).add_(coarse);
}

// t = v - 1/2 as one of its eight cases has it: in the outer quarters cos(pi t) = sin(pi (1/2 - |t|)), and
// sin(pi t) is the cosine with the sign of t. Rows of `octants`: t becomes row 1 + row 0 t, in
// [-1/4, 1/4]; cos x, then sin x, as multiples of cosine and sine there. The pair's sign is in them.
struct Angle {
  at::Tensor t;        // [kLimbs, n]
  at::Tensor mixture;  // [1, 2, 2, n]
};

Angle reduced(const at::Tensor& digits, const at::Tensor& angle, const Tables& tables) {
  const at::Tensor octant = angle.bitwise_right_shift(30).add_(2).mul_(2).add_(angle.bitwise_and(1));
  const at::Tensor rows = columns_of(tables.octants, octant);
  at::Tensor t = digits.narrow(0, 0, kLimbs) * rows.select(0, 0);
  t.select(0, 1).add_(rows.select(0, 1), 1 << kLimbBits);
  return {t, rows.narrow(0, 2, 4).view({1, 2, 2, -1})};
}

}  // namespace

// As in base/box_muller.cc, whose bound holds for this too. u - 1 is exact, so log1p serves for both ends.
Pairs box_muller_doubles(const at::Tensor& radius, const at::Tensor& angle, double scale) {
  Secrets secrets;
  const at::Tensor less = secrets.keep(secrets.keep(radius.bitwise_xor(kHighBit)).to(at::kDouble));
  less.add_(0.5 - 0x1p31).mul_(0x1p-32);  // u - 1
  const at::Tensor r = secrets.keep(less.log1p().mul_(-2).sqrt_());
  const at::Tensor x = secrets.keep(secrets.keep(angle.bitwise_right_shift(1)).to(at::kDouble));
  x.add_(0.5).mul_(std::numbers::pi * 0x1p-31);
  at::Tensor noise = at::empty({2, radius.size(0)}, x.options());
  at::Tensor cosine = noise.select(0, 0), sine = noise.select(0, 1);
  at::cos_out(cosine, x);
  at::sin_out(sine, x);
  const at::Tensor sign = x.copy_(secrets.keep(angle.bitwise_and(1))).mul_(-2 * scale).add_(scale);
  noise.mul_(r).mul_(sign);

  const at::Tensor u = less.add_(1);  // exact
  at::Tensor error = (u * r).reciprocal_().mul_(scale * 1.01 * 0x1p-33);
  error.add_(r, scale * (std::numbers::pi * 0x1p-32 + 0x1p-45));
  error.masked_fill_(u.lt(0x1p-24).bitwise_or_(u.gt(1 - 0x1p-24)), kInfinity);
  return {noise, error};
}

at::Tensor box_muller_wide(const at::Tensor& radius, const at::Tensor& angle, const at::Tensor& further,
                           double scale) {
  const Tables tables(radius.device());
  const at::Tensor digits = all_digits(radius, angle, further, tables);
  const Logarithm logarithm_of_u = logarithm(digits.select(1, 0), radius, tables);
  const auto [t, mixture] = reduced(digits.select(1, 1), angle, tables);
  const at::Tensor powers = powers_of(at::stack({logarithm_of_u.f, product(t, t)}, 1));
  const at::Tensor bases = at::cat({powers, powers.narrow(2, 1, 1)}, 2);
  const at::Tensor sums =
      settle(products(bases, tables.series).sum(1), 3).narrow(0, 0, kLimbs) + tables.first;

  const at::Tensor r = square_root(settle((logarithm_of_u.rest - sums.select(1, 0)).mul_(2)));
  const at::Tensor both = at::stack({sums.select(1, 1), product(sums.select(1, 2), t)}, 1);
  const at::Tensor directions = (mixture * both.unsqueeze(1)).sum(2);
  return product(product(directions, r.unsqueeze(1)), from_double(at::full({1, 1}, scale, r.options())));
}

}  // namespace discreet::device
