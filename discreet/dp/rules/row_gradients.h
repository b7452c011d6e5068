// Gradients of a small parameter (bias, gain, shift), kept: one row per sample, in double where it is a sum.
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/rule.h"

namespace discreet {

class RowGradients : public Gradients {
 public:
  // rows: [samples, numel], floating; shape: of the parameter as the operation sees it.
  RowGradients(const at::Tensor& rows, libtorch::Shape shape)
      : rows_(libtorch::at_least_float(rows)), shape_(std::move(shape)) {}

  SquaredNorms squared_norms() override;
  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  bool write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  at::Tensor gradient(int64_t begin, int64_t end) override;
  bool absorb(Gradients& other) override;
  std::optional<RulePlan> plan() override;

 private:
  at::Tensor rows_;  // float or double [samples, numel]
  libtorch::Shape shape_;
};

// x in the shape of an operation's output, whose layout this is -> the gradients of a parameter of shape
// `shape` that was broadcast to that output: x summed over all that the parameter does not have. The
// parameter has no rows of its own for the samples (broadcast_refusal).
at::Tensor summed_to(const at::Tensor& x, const Layout& layout, const libtorch::Shape& shape);

// Why summed_to cannot be asked of a parameter of this shape; empty where it can.
std::string broadcast_refusal(const libtorch::Shape& out, const Layout& layout, const libtorch::Shape& shape);

}  // namespace discreet
