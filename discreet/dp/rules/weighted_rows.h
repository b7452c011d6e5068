// The samples of a block whose weight is not 0.
#pragma once

#include <torch/torch.h>

namespace discreet {

// A sample of weight 0 is never touched, so that nothing in it (NaN, infinity) can reach a sum as 0 * NaN. On
// a device, where no weight is read, all samples are taken, those of weight 0 as zeros.
class WeightedRows {
 public:
  WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end);
  bool empty() const { return weights_.numel() == 0; }
  const at::Tensor& weights() const { return weights_; }  // double [k]
  at::Tensor take(const at::Tensor& x) const;             // [samples, ...] -> [k, ...]
  // take(x) * weights, multiplied in double where a weight may be so small that float would underflow.
  at::Tensor take_scaled(const at::Tensor& x) const;
  // The sum of take_scaled(x) over the samples, [...], in double.
  at::Tensor sum(const at::Tensor& x) const;

 private:
  static constexpr double kTiny = 0x1p-60;

  bool tiny() const { return least_ < kTiny; }

  int64_t begin_, end_;
  at::Tensor along(const at::Tensor& numbers, const at::Tensor& x) const;

  at::Tensor all_, weights_, index_;  // index_ undefined: all of them
  at::Tensor none_;                   // bool [k], on a device: where the weight is 0
  double least_ = 1;                  // of the weights that are not 0
};

}  // namespace discreet
