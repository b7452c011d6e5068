// What a convolution reads of its input at each position, without unfolding it in memory.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "discreet/dp/libtorch.h"
#include "discreet/dp/rules/product_norms.h"

namespace discreet {

class UnfoldedColumns : public Columns {
 public:
  // x: [samples * images, groups * channels, padded sizes...], floats on the processor. kernel, stride,
  // dilation and out (positions) by dimension, one to three. A sample here is one group of one of `samples`.
  UnfoldedColumns(const at::Tensor& x, int64_t samples, int64_t groups, at::IntArrayRef kernel,
                  at::IntArrayRef stride, at::IntArrayRef dilation, at::IntArrayRef out);

  int64_t samples() const override { return samples_ * groups_; }
  int64_t positions() const override { return images_ * static_cast<int64_t>(starts_.size()); }
  int64_t columns() const override { return static_cast<int64_t>(offsets_.size()); }
  void copy(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count, int64_t width,
            float* to) const override;

 private:
  at::Tensor x_;
  int64_t samples_, groups_, images_;
  std::vector<int64_t> starts_;   // of each position in an image's first channel
  std::vector<int64_t> offsets_;  // of each column from there
};

}  // namespace discreet
