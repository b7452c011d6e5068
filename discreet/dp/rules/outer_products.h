// Gradients that are, per sample, a sum of outer products over positions: those of a matrix that multiplies
// the rows of the batch.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <utility>
#include <vector>

#include "discreet/dp/rules/rule.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {

namespace outer {

// Of several matrices of which the left factor is the same (those of one recurrent layer): its products
// between positions are made once.
class JointNorms {
 public:
  JointNorms(const at::Tensor& left, std::vector<at::Tensor> rights);
  // Whether they are made so: where products between positions are the way to each.
  bool are(NormWay way) const;
  // As squared_norms() of both factors.
  SquaredNorms of(size_t which);

 private:
  at::Tensor left_;
  std::vector<at::Tensor> rights_;
  std::vector<SquaredNorms> norms_;
};

}  // namespace outer

// Per sample the matrix sum over t of left[t] right[t]^T, for left [samples, t, m] and right [samples, t, k].
// The uses of one matrix at several places are one such sum over all their positions.
class OuterProducts : public Gradients {
 public:
  // joint: of which these are number `place`.
  OuterProducts(const at::Tensor& left, const at::Tensor& right,
                std::shared_ptr<outer::JointNorms> joint = nullptr, size_t place = 0)
      : left_{libtorch::at_least_float(left)},
        right_{libtorch::at_least_float(right)},
        joint_(std::move(joint)),
        place_(place) {}

  SquaredNorms squared_norms() override;
  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  bool write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  at::Tensor gradient(int64_t begin, int64_t end) override;
  bool absorb(Gradients& other) override;
  std::optional<Factors> factors() override { return Factors{left(), {}, right()}; }
  std::optional<RulePlan> plan() override;

 private:
  const at::Tensor& left() { return joined(left_); }
  const at::Tensor& right() { return joined(right_); }
  static const at::Tensor& joined(std::vector<at::Tensor>& parts);
  std::pair<at::Tensor, at::Tensor> scaled(const WeightedRows& rows);
  at::Tensor of_kept(const WeightedRows& rows);
  bool keeps();
  bool is_joint() const;

  std::vector<at::Tensor> left_, right_;
  std::shared_ptr<outer::JointNorms> joint_;
  size_t place_;
  // The samples' own matrices, where they were the way to the norms and are small beside their factors (those
  // of an adapter): [samples, m, k], or [samples, k, m] where m is the smaller. The sum needs no product
  // then.
  at::Tensor kept_;
};

namespace outer {

// Squared norms: ghost, |left|^2 |right|^2 where t is 1, else the product <left left^T, right right^T>
// (Goodfellow 2015; Li et al. 2021), which cancels: in double, but for floats on the processor in floats
// (pair_norms.h), and samples of which that is not exact enough the direct way; or direct, from the matrices
// themselves; automatic, the cheaper way. `matrices`, where defined, is [n, m, k] and is filled (the direct
// way).
SquaredNorms squared_norms(const at::Tensor& left, const at::Tensor& right, NormWay way = NormWay::kAutomatic,
                           at::Tensor matrices = {});

// Of parts of samples, `groups` consecutive ones of each: of all of them together.
SquaredNorms sum_groups(const SquaredNorms& norms, int64_t groups);

// Whether the direct way is asked for, or the cheaper one for these sizes. `kernels`: has_kernels().
bool is_direct(NormWay way, bool kernels, int64_t t, int64_t m, int64_t k);
// Floats on the processor: both ways are by kernels of our own (product_norms.h, pair_norms.h).
bool has_kernels(const at::TensorOptions& options);

// Of squared_norms for n samples of this type, on this device. Products of matrices are 2 t m k operations;
// what stays in the processor's cache is no working memory. Of products between positions in floats: what
// they take for samples in which they are exact enough.
RulePlan plan(NormWay way, const at::TensorOptions& options, int64_t n, int64_t t, int64_t m, int64_t k);

// Half the distance from 1 to the next number, in which sums of this type round.
double unit_roundoff(at::ScalarType type);

// Bounds on the error of a norm, and of a sum of t outer products, relative to |left| |right|, the norms of
// all positions together.
//
// Of products in this type: the rounding of a sum of t products is sqrt(t) units in the last place with
// overwhelming probability (Higham and Mary 2019, "A new approach to probabilistic rounding error analysis"),
// times 4 to be safe.
double product_error(at::ScalarType type, int64_t t);
// Where products leave the range of this type, they lose at most this of a norm over so many numbers,
// whatever the norms: not relative.
double underflow_error(at::ScalarType type, int64_t t, int64_t numbers);
// Ghost products in floats are taken where their error is at most this of the squared norm.
constexpr double kPairError = 0x1p-12;
// Of ghost products in double, whatever the type: the squared norm is a sum of t^2 products, each of two
// sums of m and k products, and is wrong by that times (|left| |right|)^2, so the norm by the square root.
double ghost_error(int64_t t, int64_t m_and_k);

// sum [m, k] = the matrices of all n samples, summed by one product; += with add_product.
void write_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum);
void add_product(const at::Tensor& left, const at::Tensor& right, at::Tensor sum);

}  // namespace outer

// Samples whose per-sample gradients together stay below this many numbers are kept instead of recomputed.
constexpr int64_t kKeptNumbers = int64_t{1} << 24;
// Working space of one block of samples.
constexpr int64_t kBlockNumbers = int64_t{1} << 22;

}  // namespace discreet
