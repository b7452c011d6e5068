// The samples of a block whose weight is not 0.
#pragma once

#include <torch/torch.h>

namespace discreet {

// A sample of weight 0 is never touched, so that nothing in it (NaN, infinity) can reach a sum as 0 * NaN.
class WeightedRows {
 public:
  WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end);
  bool empty() const { return weights_.numel() == 0; }
  const at::Tensor& weights() const { return weights_; }  // double [k]
  at::Tensor take(const at::Tensor& x) const;             // [samples, ...] -> [k, ...]
  // take(x) * weights, multiplied in double where a weight is so small that float would underflow.
  at::Tensor take_scaled(const at::Tensor& x) const;
  // The sum of take_scaled(x) over the samples.
  at::Tensor sum(const at::Tensor& x) const;
  bool tiny() const;  // whether there is such a weight

 private:
  int64_t begin_, end_;
  at::Tensor weights_, index_;  // index_ undefined: all of them
};

}  // namespace discreet
