#include "discreet/dp/rules/outer_products.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/pair_norms.h"
#include "discreet/dp/rules/product_norms.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

// Matrices are kept up to so many numbers for each of their factors'.
constexpr double kKeptShare = 0.25;

}  // namespace

SquaredNorms OuterProducts::squared_norms() {
  if (is_joint()) return joint_->of(place_);
  if (!keeps()) return outer::squared_norms(left(), right(), norm_way());
  const bool wide = left().size(2) > right().size(2);
  const at::Tensor &one = wide ? left() : right(), &other = wide ? right() : left();
  kept_ = at::empty({one.size(0), one.size(2), other.size(2)}, one.options());
  return outer::squared_norms(one, other, NormWay::kDirect, kept_);
}

std::optional<RulePlan> OuterProducts::plan() {
  const int64_t n = left().size(0), m = left().size(2), k = right().size(2);
  RulePlan plan = outer::plan(norm_way(), left().options(), n, left().size(1), m, k);
  if (keeps()) plan.bytes = static_cast<double>(n * m * k * left().element_size());
  if (is_joint() && place_ > 0)  // the products of the left factor are another's
    plan.flops *= static_cast<double>(k + 1) / static_cast<double>(m + k + 1);
  return plan;
}

bool OuterProducts::is_joint() const {
  return joint_ && left_.size() == 1 && joint_->are(norm_way());
}

bool OuterProducts::keeps() {
  const int64_t t = left().size(1), m = left().size(2), k = right().size(2);
  const bool kernels = outer::has_kernels(left().options()) && outer::has_kernels(right().options());
  return kernels && t > 1 && outer::is_direct(norm_way(), kernels, t, m, k) &&
         static_cast<double>(m * k) <= kKeptShare * static_cast<double>(t * (m + k));
}

void OuterProducts::add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  const WeightedRows rows(weights, begin, end);
  if (rows.empty()) return;
  if (kept_.defined()) {
    sum.add_(of_kept(rows));
    return;
  }
  const auto [left, right] = scaled(rows);
  outer::add_product(left, right, sum);
}

bool OuterProducts::write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  if (left().scalar_type() != sum.scalar_type() || right().scalar_type() != sum.scalar_type()) return false;
  const WeightedRows rows(weights, begin, end);
  if (rows.empty()) {
    sum.zero_();
  } else if (kept_.defined()) {
    sum.copy_(of_kept(rows));
  } else {
    const auto [left, right] = scaled(rows);
    outer::write_product(left, right, sum);
  }
  return true;
}

// [m, k]
at::Tensor OuterProducts::of_kept(const WeightedRows& rows) {
  const at::Tensor sum = rows.sum(kept_);
  return left().size(2) > right().size(2) ? sum : sum.t();
}

// The narrower side is multiplied by the weights.
std::pair<at::Tensor, at::Tensor> OuterProducts::scaled(const WeightedRows& rows) {
  const bool scale_right = right().size(2) <= left().size(2);
  return {scale_right ? rows.take(left()) : rows.take_scaled(left()),
          scale_right ? rows.take_scaled(right()) : rows.take(right())};
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

bool has_kernels(const at::TensorOptions& options) {
  return !is_on_device(options.device()) && options.dtype() == at::kFloat;
}

bool is_direct(NormWay way, bool kernels, int64_t t, int64_t m, int64_t k) {
  if (way != NormWay::kAutomatic) return way == NormWay::kDirect;
  // Direct: one m x k matrix. Ghost: two t x t products, in double (twice the work); by kernels a half of
  // them, of which a multiplication takes longer (1.4 times on the LSTM of bench/step, 1.6 on its
  // transformer).
  const double ghost = kernels ? 1.6 * static_cast<double>(t + 1) / 2 : 2.0 * static_cast<double>(t);
  return ghost * static_cast<double>(m + k) > static_cast<double>(m) * static_cast<double>(k);
}

namespace {

// Where the matrices are not asked for: of one outer product alone the norm is as good as free.
bool makes_matrices(NormWay way, bool kernels, int64_t t, int64_t m, int64_t k) {
  return is_direct(way, kernels, t, m, k) && (t != 1 || way == NormWay::kDirect);
}

// Samples whose products are made at a time.
int64_t block_of(bool direct, int64_t t, int64_t m, int64_t k) {
  return std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, direct ? m * k : t * (m + k + 2 * t)));
}

// x [n, t, m], often a transposed view -> [n]; the order within a sample does not matter.
at::Tensor sample_squares(const at::Tensor& x) {
  if (x.transpose(1, 2).is_contiguous()) return row_squares(x.transpose(1, 2));
  if (x.transpose(0, 1).is_contiguous())  // time first
    return row_squares(x.transpose(0, 1).flatten(0, 1)).view({x.size(1), x.size(0)}).sum(0);
  return row_squares(x);
}

// In double, by blocks; or by the matrices, which may be kept.
at::Tensor squared_by_blocks(const at::Tensor& left, const at::Tensor& right, bool direct,
                             const at::Tensor& matrices) {
  const int64_t n = left.size(0), t = left.size(1), m = left.size(2), k = right.size(2);
  at::Tensor result = at::empty({n}, left.options().dtype(at::kDouble));
  const int64_t block = block_of(direct, t, m, k);
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
    result.slice(0, begin, end).copy_(squared);
  }
  return result;
}

// The direct way for floats: tiles are wider than high, and `matrices` are filled the other way round.
ProductNorms by_tiles(const at::Tensor& left, const at::Tensor& right, const at::Tensor& matrices = {}) {
  const bool swap = left.size(2) > right.size(2) || matrices.defined();
  return product_norms(StridedColumns(swap ? right : left), swap ? left : right, matrices);
}

// The direct way for samples of which products between positions are not exact enough.
SquaredNorms made_exact(const PairNorms& norms, const at::Tensor& left, const at::Tensor& right) {
  const int64_t t = left.size(1), m = left.size(2), k = right.size(2);
  SquaredNorms result{norms.squared, {}, norms.squared_error};
  const at::Tensor exact =
      norms.squared_error.isfinite() & (norms.squared_error <= norms.squared * kPairError);
  const at::Tensor others = exact.logical_not().nonzero().flatten();
  if (others.numel() > 0) {
    const ProductNorms direct = by_tiles(left.index_select(0, others), right.index_select(0, others));
    result.squared.index_copy_(0, others, direct.squared);
    result.squared_error.index_fill_(0, others, 0);
  }
  result.error = (norms.left * norms.right).sqrt() * product_error(at::kFloat, t);
  result.error += underflow_error(at::kFloat, t, m * k);
  return result;
}

}  // namespace

SquaredNorms squared_norms(const at::Tensor& left, const at::Tensor& right, NormWay way,
                           at::Tensor matrices) {
  const int64_t t = left.size(1), m = left.size(2), k = right.size(2);
  const bool kernels = has_kernels(left.options()) && has_kernels(right.options());
  const bool direct = matrices.defined() || makes_matrices(way, kernels, t, m, k);
  if (t == 1 && !direct) return {row_squares(left) * row_squares(right), {}};
  if (kernels && !direct) return made_exact(pair_norms(left, right), left, right);
  if (kernels) {
    const ProductNorms norms = by_tiles(left, right, matrices);
    return {norms.squared, (norms.left * norms.right).sqrt() * product_error(at::kFloat, t) +
                               underflow_error(at::kFloat, t, m * k)};
  }
  const double relative = std::max(product_error(left.scalar_type(), t), direct ? 0 : ghost_error(t, m + k));
  // sum_t |left_t| |right_t| <= |left| |right| (Cauchy and Schwarz).
  SquaredNorms result{squared_by_blocks(left, right, direct, matrices),
                      (sample_squares(left) * sample_squares(right)).sqrt() * relative};
  if (direct) result.error += underflow_error(left.scalar_type(), t, m * k);
  return result;
}

JointNorms::JointNorms(const at::Tensor& left, std::vector<at::Tensor> rights)
    : left_(libtorch::at_least_float(left)), rights_(std::move(rights)) {
  for (at::Tensor& right : rights_) right = libtorch::at_least_float(right);
}

bool JointNorms::are(NormWay way) const {
  return std::all_of(rights_.begin(), rights_.end(), [&](const at::Tensor& right) {
    const int64_t t = left_.size(1);
    const bool kernels = has_kernels(left_.options()) && has_kernels(right.options());
    return kernels && t > 1 && !is_direct(way, kernels, t, left_.size(2), right.size(2));
  });
}

SquaredNorms JointNorms::of(size_t which) {
  if (norms_.empty()) {
    const std::vector<PairNorms> pairs = pair_norms(left_, rights_);
    for (size_t i = 0; i < pairs.size(); ++i) norms_.push_back(made_exact(pairs[i], left_, rights_[i]));
  }
  return norms_[which];
}

SquaredNorms sum_groups(const SquaredNorms& norms, int64_t groups) {
  const auto of_samples = [&](const at::Tensor& x) {
    return x.defined() ? x.view({-1, groups}).sum(1) : x;  // the error of a norm is at most the sum of errors
  };
  return {of_samples(norms.squared), of_samples(norms.error), of_samples(norms.squared_error)};
}

RulePlan plan(NormWay way, const at::TensorOptions& options, int64_t n, int64_t t, int64_t m, int64_t k) {
  const at::ScalarType type = at::typeMetaToScalarType(options.dtype());
  const auto samples = static_cast<double>(n), positions = static_cast<double>(t);
  const auto lengths = static_cast<double>(m + k), numbers = static_cast<double>(m) * static_cast<double>(k);
  const bool kernels = has_kernels(options), direct = makes_matrices(way, kernels, t, m, k);
  const auto at_a_time = static_cast<double>(std::min(n, block_of(direct, t, m, k)));
  RulePlan plan{.way = "direct",
                .flops = samples * (2 * positions * numbers + 2 * numbers),
                .bytes = at_a_time * numbers * static_cast<double>(at::elementSize(type)),
                .rounding = product_error(type, t),
                .direct_flops = samples * 2 * positions * numbers,
                .terms = t,
                .unit = unit_roundoff(type)};
  if (direct) {
    if (kernels) {
      plan.way = "direct, tile by tile";
      plan.bytes = 0;
    }
    return plan;
  }
  if (t == 1) {
    plan.way = "product of norms";
    plan.flops = samples * (2 * lengths + 1);
    plan.bytes = samples * 3 * sizeof(double);
    plan.rounding = 0;
  } else {
    plan.way = kernels ? "ghost, pair by pair" : "ghost";
    plan.flops = samples * positions * (kernels ? (positions + 1) / 2 : positions) * (2 * lengths + 2);
    plan.bytes = kernels ? 0 : at_a_time * positions * (lengths + 2 * positions) * sizeof(double);
    if (kernels) {
      plan.squared_rounding = kPairError;
    } else {
      plan.rounding = std::max(plan.rounding, ghost_error(t, m + k));
    }
  }
  return plan;
}

double unit_roundoff(at::ScalarType type) {
  return type == at::kDouble ? 0x1p-53 : 0x1p-24;
}

double product_error(at::ScalarType type, int64_t t) {
  return 4 * std::sqrt(static_cast<double>(t)) * unit_roundoff(type);
}

double underflow_error(at::ScalarType type, int64_t t, int64_t numbers) {
  const double least =
      type == at::kDouble ? 0x1p-1022 : 0x1p-126;  // flushed to 0, whatever the processor's mode
  return static_cast<double>(t) * std::sqrt(static_cast<double>(numbers)) * least;
}

double ghost_error(int64_t t, int64_t m_and_k) {
  const double sums = static_cast<double>(t) + std::sqrt(static_cast<double>(m_and_k));
  return std::sqrt(4 * sums * 0x1p-53);
}

namespace {

// [n, t, m], [n, t, k] -> [n t, m], [n t, k], in the order that copies least.
std::pair<at::Tensor, at::Tensor> flattened(at::Tensor left, at::Tensor right) {
  if (left.dim() == 3 && left.transpose(0, 1).is_contiguous() && right.transpose(0, 1).is_contiguous()) {
    left = left.transpose(0, 1);
    right = right.transpose(0, 1);
  }
  return {left.reshape({-1, left.size(-1)}), right.reshape({-1, right.size(-1)})};
}

}  // namespace

void write_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum) {
  const auto [l, r] = flattened(left, right);
  at::mm_out(sum, l.t(), r);
}

void add_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum) {
  const auto [l, r] = flattened(left, right);
  if (sum.stride(0) < sum.stride(1)) {
    sum.t().add_(r.t().mm(l));
  } else {
    sum.add_(l.t().mm(r));
  }
}

}  // namespace outer
}  // namespace discreet
