#include "discreet/dp/rules/outer_products.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {

SquaredNorms OuterProducts::squared_norms() {
  return outer::squared_norms(left(), right());
}

void OuterProducts::add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  const WeightedRows rows(weights, begin, end);
  if (rows.empty()) return;
  const bool scale_right = right().size(2) <= left().size(2);
  outer::add_product(scale_right ? rows.take(left()) : rows.take_scaled(left()),
                     scale_right ? rows.take_scaled(right()) : rows.take(right()), sum);
}

at::Tensor OuterProducts::gradient(int64_t begin, int64_t end) {
  const at::Tensor rows = left().slice(0, begin, end).to(at::kDouble).flatten(0, 1);
  return rows.t().mm(right().slice(0, begin, end).to(at::kDouble).flatten(0, 1));
}

bool OuterProducts::absorb(Gradients& other) {
  auto* products = dynamic_cast<OuterProducts*>(&other);
  if (products == nullptr) return false;
  left_.insert(left_.end(), products->left_.begin(), products->left_.end());
  right_.insert(right_.end(), products->right_.begin(), products->right_.end());
  return true;
}

const at::Tensor& OuterProducts::joined(std::vector<at::Tensor>& parts) {
  if (parts.size() > 1) parts = {at::cat(parts, 1)};
  return parts.front();
}

namespace outer {

bool direct_is_cheaper(int64_t t, int64_t m, int64_t k) {
  // Ghost: two t x t products, in double (twice the work). Direct: one m x k matrix.
  return 2.0 * t * (m + k) > 1.0 * m * k;
}

namespace {

// x [n, t, m], often a transposed view -> [n]; the order within a sample does not matter.
at::Tensor sample_squares(const at::Tensor& x) {
  const at::Tensor transposed = x.transpose(1, 2);
  return row_squares(transposed.is_contiguous() ? transposed : x);
}

}  // namespace

SquaredNorms squared_norms(const at::Tensor& left, const at::Tensor& right, at::Tensor matrices) {
  const int64_t n = left.size(0), t = left.size(1), m = left.size(2), k = right.size(2);
  if (t == 1 && !matrices.defined()) return {row_squares(left) * row_squares(right), {}};
  SquaredNorms result{at::empty({n}, left.options().dtype(at::kDouble)), {}};
  const bool direct = matrices.defined() || direct_is_cheaper(t, m, k);
  const int64_t block =
      std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, direct ? m * k : t * (m + k + 2 * t)));
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = std::min(begin + block, n);
    const at::Tensor l = left.slice(0, begin, end), r = right.slice(0, begin, end);
    at::Tensor squared;
    if (direct) {
      at::Tensor products =
          matrices.defined() ? matrices.slice(0, begin, end) : at::empty({end - begin, m, k}, left.options());
      at::bmm_out(products, l.transpose(1, 2), r);
      squared = row_squares(products);
    } else {
      const at::Tensor ld = l.to(at::kDouble), rd = r.to(at::kDouble);
      squared = (ld.bmm(ld.transpose(1, 2)) * rd.bmm(rd.transpose(1, 2))).sum({1, 2}).clamp_min(0);
    }
    result.squared.slice(0, begin, end).copy_(squared);
  }
  // Rounding of a sum of t products: sqrt(t) units in the last place with overwhelming probability (Higham
  // and Mary 2019, "A new approach to probabilistic rounding error analysis"), times 4 to be safe.
  // The ghost product is a square, in double: half of its digits are the norm's.
  const double unit = left.scalar_type() == at::kFloat ? 0x1p-24 : direct ? 0x1p-53 : 0x1p-26;
  // sum_t |left_t| |right_t| <= |left| |right|, the norms of all positions together (Cauchy and Schwarz).
  result.error =
      (sample_squares(left) * sample_squares(right)).sqrt() * (4 * std::sqrt(static_cast<double>(t)) * unit);
  return result;
}

void add_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum) {
  const at::Tensor l = left.reshape({-1, left.size(-1)}), r = right.reshape({-1, right.size(-1)});
  if (sum.stride(0) < sum.stride(1)) {
    sum.t().add_(r.t().mm(l));
  } else {
    sum.add_(l.t().mm(r));
  }
}

}  // namespace outer
}  // namespace discreet
