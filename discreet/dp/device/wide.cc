#include "discreet/dp/device/wide.h"

#include <quadmath.h>

#include <cmath>
#include <utility>
#include <vector>

namespace discreet::device {
namespace {

constexpr double kBase = 1 << kLimbBits, kInverse = 1 / kBase;

}  // namespace

std::array<double, kLimbs> limbs_of(__float128 value) {
  std::array<double, kLimbs> limbs;
  for (double& limb : limbs) {
    const __float128 whole = rintq(value);
    limb = static_cast<double>(whole);
    value = (value - whole) * kBase;
  }
  return limbs;
}

at::Tensor settle(at::Tensor x, int rounds) {
  const int64_t others = x.size(0) - 1;
  at::Tensor upper = x.narrow(0, 0, others), lower = x.narrow(0, 1, others);
  for (int i = 0; i < rounds; ++i) {
    const at::Tensor carry = lower.mul(kInverse).round_();
    lower.sub_(carry, kBase);
    upper.add_(carry);
  }
  return x;
}

// All products a[i] b[j] as rows of 16, of which 8 are zeros. Read in rows of 15, each row begins one place
// further on: the product of limbs i and j stands in column i + j, and limb k is the sum of column k.
at::Tensor products(const at::Tensor& a, const at::Tensor& b) {
  std::vector<int64_t> zeros(static_cast<size_t>(2 * b.dim()));
  zeros.back() = kLimbs;
  const at::Tensor rows = a.unsqueeze(1) * at::constant_pad_nd(b, zeros, 0).unsqueeze(0);
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[1] = 2 * kLimbs - 1;
  return rows.flatten(0, 1).narrow(0, 0, kLimbs * shape[1]).view(shape).narrow(1, 0, kProductLimbs).sum(0);
}

at::Tensor settled_product(at::Tensor products) {
  return settle(std::move(products)).narrow(0, 0, kLimbs);
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  return settled_product(products(a, b));
}

at::Tensor to_double(const at::Tensor& x) {
  int64_t i = x.size(0) - 1;
  at::Tensor value = x.select(0, i);
  while (i-- > 0) value = x.select(0, i).add(value, kInverse);
  return value;
}

// The limbs are differences of x rounded to each place: whole numbers that are near each other, so that
// doubles hold the difference.
at::Tensor from_double(const at::Tensor& x) {
  static const at::Tensor places = [] {
    at::Tensor powers = at::empty({kLimbs}, at::kDouble);
    for (int i = 0; i < kLimbs; ++i) powers.data_ptr<double>()[i] = std::ldexp(1., kLimbBits * i);
    return powers;
  }();
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()) + 1, 1);
  shape[0] = kLimbs;
  const at::Tensor rounded =
      (x.unsqueeze(0) * places.to(x.device(), /*non_blocking=*/true).view(shape)).round_();
  at::Tensor limbs = rounded.clone();
  limbs.narrow(0, 1, kLimbs - 1).sub_(rounded.narrow(0, 0, kLimbs - 1), kBase);
  return limbs;
}

// What is left beside limb 0 is within 1/2 + 2^-13. Half is taken off as a limb, which is exact, and the sign
// of the sum then is that of its first limb which is not 0.
at::Tensor nearest_whole(const at::Tensor& x) {
  const int64_t others = x.size(0) - 1;
  const auto beside = [&](double half) {
    at::Tensor rest = x.narrow(0, 1, others).clone();
    rest.select(0, 0).add_(half * kBase);
    return to_double(rest);
  };
  const at::Tensor above = beside(-0.5).gt(0), below = beside(0.5).lt(0);
  return x.select(0, 0) + above.to(at::kDouble).sub_(below.to(at::kDouble));
}

}  // namespace discreet::device
