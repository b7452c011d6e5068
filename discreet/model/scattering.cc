#include "discreet/model/scattering.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "discreet/base/error.h"
#include "discreet/model/wavelet.h"

namespace discreet {
namespace {

constexpr int64_t kStride = 1 << kScatteringScales;

// Weights [points][grid] of the low pass around `points` places, centred in an image of `length` pixels; the
// grid has `size` places, `step` pixels apart, the first `pad` pixels before the image.
std::vector<float> average_weights(int64_t length, int64_t points, int64_t size, int64_t step, int64_t pad) {
  const double sigma = low_pass_sigma(kScatteringScales);
  std::vector<float> weights;
  for (int64_t i = 0; i < points; ++i) {
    const double centre =
        0.5 * static_cast<double>(length - 1) +
        static_cast<double>(kStride) * (static_cast<double>(i) - 0.5 * static_cast<double>(points - 1));
    std::vector<double> row(static_cast<size_t>(size));
    double sum = 0;
    for (int64_t k = 0; k < size; ++k) {
      const double distance = (static_cast<double>(step * k - pad) - centre) / sigma;
      sum += row[static_cast<size_t>(k)] = std::exp(-0.5 * distance * distance);
    }
    for (double weight : row) weights.push_back(static_cast<float>(weight / sum));
  }
  return weights;
}

// Place in [0, length) of a place that may lie outside, mirrored at the border pixels' centres, back and
// forth.
int64_t mirrored(int64_t at, int64_t length) {
  const int64_t period = 2 * (length - 1);
  at = ((at % period) + period) % period;
  return at < length ? at : period - at;
}

DISCREET_INLINE void modulus(ComplexLanes in, int64_t count, Lane* out) {
  for (int64_t i = 0; i < count; ++i) {
    const Lane square = in.re[i] * in.re[i] + in.im[i] * in.im[i];
    const float* from = reinterpret_cast<const float*>(&square);
    float* to = reinterpret_cast<float*>(out + i);
    for (int64_t lane = 0; lane < kLaneWidth; ++lane) to[lane] = __builtin_sqrtf(from[lane]);
  }
}

}  // namespace

struct Scattering::Workspace {
  Workspace(int64_t size, int64_t strip_size) : lanes(torch::empty({7 * size + strip_size, kLaneWidth})) {
    Lane* at = reinterpret_cast<Lane*>(lanes.data_ptr<float>());  // libtorch aligns to 64 bytes
    image = {at, at + size};
    a = {at + 2 * size, at + 3 * size};
    b = {at + 4 * size, at + 5 * size};
    plane = at + 6 * size;
    strip = at + 7 * size;
  }
  torch::Tensor lanes;
  ComplexLanes image, a, b;
  Lane* plane;
  Lane* strip;  // [height / 4][width]
};

Scattering::Scattering(int64_t height, int64_t width)
    : height_(height), width_(width), out_height_(height / kStride), out_width_(width / kStride) {
  for (int64_t side : {height, width}) {
    if (side < kScatteringSmallest || side > kScatteringLargest) {
      throw Error(ErrorKind::kUnsupported,
                  "scattering: an image of " + std::to_string(height) + " x " + std::to_string(width) +
                      " pixels; height and width must be from " + std::to_string(kScatteringSmallest) +
                      " to " + std::to_string(kScatteringLargest));
    }
  }
  const int64_t fine_height = fft_length(height + 2 * kStride), fine_width = fft_length(width + 2 * kStride);
  pad_top_ = (fine_height - height) / 2;
  pad_left_ = (fine_width - width) / 2;
  auto make_grid = [&](int64_t step) {
    const int64_t h = fine_height / step, w = fine_width / step;
    return Grid{h,
                w,
                fft_plan(h),
                fft_plan(w),
                average_weights(height, out_height_, h, step, pad_top_),
                average_weights(width, out_width_, w, step, pad_left_)};
  };
  fine_ = make_grid(1);
  coarse_ = make_grid(2);
  // The inverse transform's factor 1 / (places of the torus) is put into the spectra.
  const double factor = 1.0 / static_cast<double>(fine_height * fine_width);
  for (int angle = 0; angle < kScatteringAngles; ++angle) {
    for (int scale = 0; scale < kScatteringScales; ++scale) {
      std::vector<float> spectrum;
      for (double value :
           wavelet_spectrum(scattering_wavelet(scale, angle, kScatteringAngles), fine_height, fine_width)) {
        spectrum.push_back(static_cast<float>(value * factor));
      }
      (scale == 0 ? first_ : second_).push_back(std::move(spectrum));
    }
  }
}

// out [count][81][out_height][out_width]: channel `channel` of each plane is the low pass of plane [grid].
DISCREET_INLINE void Scattering::average(const Grid& grid, const Lane* plane, int64_t channel, int64_t count,
                                         float* out, Workspace& work) const {
  for (int64_t i = 0; i < out_height_; ++i) {
    const float* weights = grid.average_rows.data() + i * grid.height;
    Lane* strip = work.strip + i * grid.width;
    for (int64_t x = 0; x < grid.width; ++x) strip[x] = Lane{};
    for (int64_t y = 0; y < grid.height; ++y) {
      const float weight = weights[y];
      if (weight < 1e-7f) continue;
      for (int64_t x = 0; x < grid.width; ++x) strip[x] += weight * plane[y * grid.width + x];
    }
  }
  const int64_t area = out_height_ * out_width_;
  for (int64_t i = 0; i < out_height_; ++i) {
    for (int64_t j = 0; j < out_width_; ++j) {
      const float* weights = grid.average_columns.data() + j * grid.width;
      Lane sum{};
      for (int64_t x = 0; x < grid.width; ++x) sum += weights[x] * work.strip[i * grid.width + x];
      const float* values = reinterpret_cast<const float*>(&sum);
      for (int64_t k = 0; k < count; ++k) {
        out[(k * kScatteringChannels + channel) * area + i * out_width_ + j] = values[k];
      }
    }
  }
}

// For each angle b: | inverse of (spectrum . psi(1, b)) | on the coarse grid, averaged into channel first +
// b. Dropping every second pixel is folding the spectrum.
DISCREET_INLINE void Scattering::second_wavelets(ComplexLanes spectrum, int64_t first_channel, int64_t count,
                                                 float* out, Workspace& work) const {
  const int64_t h = coarse_.height, w = coarse_.width;
  for (int angle = 0; angle < kScatteringAngles; ++angle) {
    const float* wavelet = second_[static_cast<size_t>(angle)].data();
    for (int64_t y = 0; y < h; ++y) {
      for (int64_t x = 0; x < w; ++x) {
        Lane re{}, im{};
        for (int64_t from : {y * fine_.width + x, y * fine_.width + x + w, (y + h) * fine_.width + x,
                             (y + h) * fine_.width + x + w}) {
          re += wavelet[from] * spectrum.re[from];
          im += wavelet[from] * spectrum.im[from];
        }
        work.b.re[y * w + x] = im, work.b.im[y * w + x] = re;  // exchanged: an inverse transform
      }
    }
    ComplexLanes spare{work.b.re + h * w, work.b.im + h * w};
    const auto result = fft2(coarse_.rows, coarse_.columns, h, w, work.b, spare);
    modulus(result.first, h * w, work.plane);
    average(coarse_, work.plane, first_channel + angle, count, out, work);
  }
}

// planes [count][height][width], count <= 16; out [count][81][out_height][out_width]
DISCREET_WIDE_REGISTERS void Scattering::transform(const float* planes, int64_t count, float* out,
                                                   Workspace& work) const {
  const int64_t size = fine_.height * fine_.width;
  for (int64_t y = 0; y < fine_.height; ++y) {
    for (int64_t x = 0; x < fine_.width; ++x) {
      const int64_t from = mirrored(y - pad_top_, height_) * width_ + mirrored(x - pad_left_, width_);
      float* to = reinterpret_cast<float*>(work.a.re + y * fine_.width + x);
      for (int64_t k = 0; k < kLaneWidth; ++k) to[k] = k < count ? planes[k * height_ * width_ + from] : 0;
      work.a.im[y * fine_.width + x] = Lane{};
    }
  }
  average(fine_, work.a.re, 0, count, out, work);
  {
    const auto result = fft2(fine_.rows, fine_.columns, fine_.height, fine_.width, work.a, work.b);
    std::copy_n(result.first.re, size, work.image.re);
    std::copy_n(result.first.im, size, work.image.im);
  }
  second_wavelets(work.image, 1 + kScatteringAngles, count, out, work);
  for (int angle = 0; angle < kScatteringAngles; ++angle) {
    const float* wavelet = first_[static_cast<size_t>(angle)].data();
    for (int64_t i = 0; i < size; ++i) {
      work.a.re[i] = wavelet[i] * work.image.im[i];  // exchanged: an inverse transform
      work.a.im[i] = wavelet[i] * work.image.re[i];
    }
    auto result = fft2(fine_.rows, fine_.columns, fine_.height, fine_.width, work.a, work.b);
    modulus(result.first, size, result.second.re);
    std::fill_n(result.second.im, size, Lane{});
    average(fine_, result.second.re, 1 + angle, count, out, work);
    result = fft2(fine_.rows, fine_.columns, fine_.height, fine_.width, result.second, result.first);
    ComplexLanes spectrum = result.first;
    if (spectrum.re != work.a.re) {
      std::copy_n(spectrum.re, size, work.a.re);
      std::copy_n(spectrum.im, size, work.a.im);
    }
    second_wavelets(work.a, 1 + (2 + angle) * kScatteringAngles, count, out, work);
  }
}

torch::Tensor Scattering::operator()(const torch::Tensor& images) const {
  TORCH_CHECK(images.dim() == 4 && images.size(2) == height_ && images.size(3) == width_,
              "scattering expects [B, C, ", height_, ", ", width_, "]");
  const torch::Tensor in = images.detach().to(torch::kFloat).contiguous();
  const int64_t planes = in.size(0) * in.size(1);
  torch::Tensor out =
      torch::empty({in.size(0), in.size(1) * kScatteringChannels, out_height_, out_width_}, torch::kFloat);
  const float* from = in.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const int64_t groups = (planes + kLaneWidth - 1) / kLaneWidth;
  at::parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
    Workspace work(fine_.height * fine_.width, out_height_ * fine_.width);
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * kLaneWidth;
      transform(from + first * height_ * width_, std::min(kLaneWidth, planes - first),
                to + first * kScatteringChannels * out_height_ * out_width_, work);
    }
  });
  return out;
}

}  // namespace discreet
