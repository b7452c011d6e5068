// Parts that several rules share: picking rows by weight, gradients small enough to keep one per sample, and
// gradients that are sums of outer products over positions (linear, convolution).
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/rule.h"

namespace discreet {

// The samples of [begin, end) whose weight is not 0. A sample of weight 0 is never touched, so that nothing
// in it (NaN, infinity) can reach a sum as 0 * NaN.
class WeightedRows {
 public:
  WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end);
  bool empty() const { return weights_.numel() == 0; }
  const at::Tensor& weights() const { return weights_; }  // double [k]
  at::Tensor take(const at::Tensor& x) const;             // [samples, ...] -> [k, ...]
  // take(x) * weights, multiplied in double where a weight is so small that float would underflow.
  at::Tensor take_scaled(const at::Tensor& x) const;

 private:
  int64_t begin_, end_;
  at::Tensor weights_, index_;  // index_ undefined: all of them
};

// Gradients of a small parameter, one row per sample in double: bias, gain, shift.
class KeptRows {
 public:
  KeptRows() = default;
  explicit KeptRows(at::Tensor rows) : rows_(std::move(rows)) {}  // double [samples, numel]
  bool defined() const { return rows_.defined(); }
  SquaredNorms squared_norms() const;
  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) const;
  at::Tensor gradient(int64_t begin, int64_t end, at::IntArrayRef shape) const;

 private:
  at::Tensor rows_;
};

// Per sample the matrix sum over t of left[t] right[t]^T, for left [n, t, m] and right [n, t, k].
namespace outer {

// Squared norms by the cheaper way: |left|^2 |right|^2 where t is 1; the "ghost" product
// <left left^T, right right^T> (Goodfellow 2015; Li et al. 2021), in double because it cancels; or the
// matrices themselves. `matrices`, where defined, is [n, m, k] and is filled (the direct way).
SquaredNorms squared_norms(const at::Tensor& left, const at::Tensor& right, at::Tensor matrices = {});

// Whether the direct way is the cheaper one for these sizes.
bool direct_is_cheaper(int64_t t, int64_t m, int64_t k);

// sum [m, k] += the matrices of all n samples, summed by one product.
void add_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum);

}  // namespace outer

// Samples whose per-sample gradients together stay below this many numbers are kept instead of recomputed.
constexpr int64_t kKeptNumbers = int64_t{1} << 24;
// Working space of one block of samples.
constexpr int64_t kBlockNumbers = int64_t{1} << 22;

}  // namespace discreet
