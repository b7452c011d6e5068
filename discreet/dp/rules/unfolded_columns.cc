#include "discreet/dp/rules/unfolded_columns.h"

#include <algorithm>

#include "discreet/dp/rules/product_tile.h"

namespace discreet {
namespace {

// index[0] * step[0] * stride[0] + ... for all indices below `sizes`, the last the fastest.
std::vector<int64_t> all_places(at::IntArrayRef sizes, at::IntArrayRef step, at::IntArrayRef stride) {
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
                                 at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                                 at::IntArrayRef out)
    : x_(x.contiguous()),
      samples_(samples),
      groups_(groups),
      images_(x.size(0) / samples),
      channels_(x.size(1) / groups),
      padded_(std::any_of(padding.begin(), padding.end(), [](int64_t p) { return p > 0; })) {
  const size_t last = out.size() - 1;
  const libtorch::Shape once(out.size(), 1);
  libtorch::Shape strides(out.size());
  int64_t of_channel = 1, corner = 0;
  for (size_t d = out.size(); d-- > 0;) {
    strides[d] = of_channel;
    corner += padding[d] * of_channel;
    of_channel *= x.size(static_cast<int64_t>(d) + 2) + 2 * padding[d];
  }
  of_channel_ = of_channel;
  of_image_ = padded_ ? channels_ * of_channel : x_.stride(0);
  if (padded_) {
    lines_ = all_places(x.sizes().slice(2, last), once, at::IntArrayRef(strides).slice(0, last));
    for (int64_t& line : lines_) line += corner;
  }
  const auto runs =
      all_places(out.slice(0, last), stride.slice(0, last), at::IntArrayRef(strides).slice(0, last));
  places_ = {{}, out[last], stride[last], {}};
  for (int64_t image = 0; image < images_; ++image)
    for (const int64_t start : runs) places_.starts.push_back(image * of_image_ + start);
  const std::vector<int64_t> window = all_places(kernel, dilation, strides);
  for (int64_t channel = 0; channel < channels_; ++channel)
    for (const int64_t place : window) places_.offsets.push_back(channel * of_channel_ + place);
}

const float* UnfoldedColumns::base(int64_t sample, std::vector<float>* space) const {
  const float* from = x_.data_ptr<float>() + sample / groups_ * images_ * x_.stride(0) +
                      sample % groups_ * channels_ * x_.stride(1);
  if (!padded_) return from;
  space->resize(images_ * of_image_);  // zeros at first, and nobody writes between the lines
  const int64_t length = x_.size(-1);
  for (int64_t image = 0; image < images_; ++image)
    for (int64_t channel = 0; channel < channels_; ++channel) {
      const float* line = from + image * x_.stride(0) + channel * x_.stride(1);
      float* to = space->data() + image * of_image_ + channel * of_channel_;
      for (const int64_t place : lines_) {
        std::copy_n(line, length, to + place);
        line += length;
      }
    }
  return space->data();
}

double UnfoldedColumns::squares(const float* base) const {
  double sum = 0;
  for (int64_t image = 0; image < images_; ++image)
    sum += tile_squares(base + image * of_image_, channels_ * of_channel_);
  return sum;
}

}  // namespace discreet
