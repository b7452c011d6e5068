// What a convolution reads of its input at each position, without unfolding it in memory.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "discreet/dp/libtorch.h"
#include "discreet/dp/rules/product_norms.h"

namespace discreet {

class UnfoldedColumns : public PlacedColumns {
 public:
  // x: [samples * images, groups * channels, sizes...], floats on the processor. kernel, stride, padding,
  // dilation and out (positions) by dimension, one to three. A sample here is one group of one of `samples`;
  // its positions are those of all its images, its columns (channel, place in the kernel).
  UnfoldedColumns(const at::Tensor& x, int64_t samples, int64_t groups, at::IntArrayRef kernel,
                  at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                  at::IntArrayRef out);

  int64_t samples() const override { return samples_ * groups_; }
  const float* base(int64_t sample, std::vector<float>* space) const override;
  double squares(const float* base) const override;

 private:
  at::Tensor x_;
  int64_t samples_, groups_, images_, channels_;
  bool padded_;
  int64_t of_channel_, of_image_;  // steps where the numbers are read
  std::vector<int64_t> lines_;     // where each line of a channel goes among zeros, if it is padded
};

}  // namespace discreet
