#include "discreet/dp/rules/unfolded_columns.h"

#include <algorithm>

#include "discreet/dp/rules/vector_clones.h"

namespace discreet {
namespace {

DISCREET_VECTOR_CLONES void pick(const float* __restrict from, const int64_t* __restrict offsets,
                                 int64_t count, float* __restrict to) {
  for (int64_t j = 0; j < count; ++j) to[j] = from[offsets[j]];
}

// index[0] * step[0] * stride[0] + ... for all indices below `sizes`, the last the fastest.
std::vector<int64_t> places(at::IntArrayRef sizes, at::IntArrayRef step, at::IntArrayRef stride) {
  std::vector<int64_t> result{0};
  for (size_t d = 0; d < sizes.size(); ++d) {
    std::vector<int64_t> finer;
    for (const int64_t place : result)
      for (int64_t i = 0; i < sizes[d]; ++i) finer.push_back(place + i * step[d] * stride[d]);
    result = std::move(finer);
  }
  return result;
}

}  // namespace

UnfoldedColumns::UnfoldedColumns(const at::Tensor& x, int64_t samples, int64_t groups, at::IntArrayRef kernel,
                                 at::IntArrayRef stride, at::IntArrayRef dilation, at::IntArrayRef out)
    : x_(x.contiguous()), samples_(samples), groups_(groups), images_(x.size(0) / samples) {
  const at::IntArrayRef strides = x_.strides().slice(2);
  starts_ = places(out, stride, strides);
  const std::vector<int64_t> window = places(kernel, dilation, strides);
  for (int64_t channel = 0; channel < x_.size(1) / groups; ++channel)
    for (const int64_t place : window) offsets_.push_back(channel * x_.stride(1) + place);
}

void UnfoldedColumns::copy(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count,
                           int64_t width, float* to) const {
  const auto positions = static_cast<int64_t>(starts_.size());
  const float* group = x_.data_ptr<float>() + sample / groups_ * images_ * x_.stride(0) +
                       sample % groups_ * (x_.size(1) / groups_) * x_.stride(1);
  for (int64_t position = begin; position < end; ++position, to += width) {
    const float* from = group + position / positions * x_.stride(0) + starts_[position % positions];
    pick(from, offsets_.data() + first, count, to);
    std::fill(to + count, to + width, 0.f);
  }
}

}  // namespace discreet
