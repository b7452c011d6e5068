#include "discreet/model/scattering.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "discreet/base/error.h"
#include "discreet/model/wavelet.h"

namespace discreet {
namespace {

// A slow path that shares nothing with the fast one but the parameters: wavelets sampled in space from their
// formula, sums over every pixel, no Fourier transform, every map on the full grid.
struct SlowPlane {
  int64_t height, width;
  std::vector<double> at;
  double operator()(int64_t y, int64_t x) const { return at[static_cast<size_t>(y * width + x)]; }
};

std::complex<double> sampled_wavelet(const Morlet& w, double y, double x) {
  const double u = std::cos(w.angle) * x + std::sin(w.angle) * y,
               v = std::cos(w.angle) * y - std::sin(w.angle) * x;
  const double envelope = w.slant / (2 * std::numbers::pi * w.sigma * w.sigma) *
                          std::exp(-(u * u + w.slant * w.slant * v * v) / (2 * w.sigma * w.sigma));
  return std::polar(envelope, w.frequency * u);
}

// The wavelet on the torus, with the multiple of its envelope that makes it sum to zero taken away.
std::vector<std::complex<double>> torus_wavelet(const Morlet& w, int64_t height, int64_t width) {
  std::vector<std::complex<double>> wave, envelope;
  Morlet flat = w;
  flat.frequency = 0;
  std::complex<double> wave_sum = 0, envelope_sum = 0;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      std::complex<double> a = 0, b = 0;
      for (int64_t ty = -3; ty <= 3; ++ty) {
        for (int64_t tx = -3; tx <= 3; ++tx) {
          const auto py = static_cast<double>(y + ty * height), px = static_cast<double>(x + tx * width);
          a += sampled_wavelet(w, py, px);
          b += sampled_wavelet(flat, py, px);
        }
      }
      wave.push_back(a), envelope.push_back(b);
      wave_sum += a, envelope_sum += b;
    }
  }
  for (size_t i = 0; i < wave.size(); ++i) wave[i] -= wave_sum / envelope_sum * envelope[i];
  return wave;
}

SlowPlane modulus_of_convolution(const SlowPlane& in, const std::vector<std::complex<double>>& wavelet) {
  SlowPlane out = in;
  for (int64_t y = 0; y < in.height; ++y) {
    for (int64_t x = 0; x < in.width; ++x) {
      std::complex<double> sum = 0;
      for (int64_t v = 0; v < in.height; ++v) {
        for (int64_t u = 0; u < in.width; ++u) {
          const int64_t dy = (y - v + in.height) % in.height, dx = (x - u + in.width) % in.width;
          sum += in(v, u) * wavelet[static_cast<size_t>(dy * in.width + dx)];
        }
      }
      out.at[static_cast<size_t>(y * in.width + x)] = std::abs(sum);
    }
  }
  return out;
}

// Low pass at the points of a quarter of the image; `step` 2 sums over every second pixel only, as the
// theory's sub-sampled maps do.
std::vector<double> averaged(const SlowPlane& in, int64_t height, int64_t width, int64_t top, int64_t left,
                             int64_t step) {
  std::vector<double> out;
  const double sigma = 1.6;
  for (int64_t i = 0; i < height / 4; ++i) {
    for (int64_t j = 0; j < width / 4; ++j) {
      const double cy =
          4.0 * static_cast<double>(i) + 0.5 * static_cast<double>(height - 1 - 4 * (height / 4 - 1));
      const double cx =
          4.0 * static_cast<double>(j) + 0.5 * static_cast<double>(width - 1 - 4 * (width / 4 - 1));
      double sum = 0, weights = 0;
      for (int64_t y = 0; y < in.height; y += step) {
        for (int64_t x = 0; x < in.width; x += step) {
          const double weight = std::exp(-(std::pow(static_cast<double>(y - top) - cy, 2) +
                                           std::pow(static_cast<double>(x - left) - cx, 2)) /
                                         (2 * sigma * sigma));
          sum += weight * in(y, x), weights += weight;
        }
      }
      out.push_back(sum / weights);
    }
  }
  return out;
}

std::vector<double> slow_scattering(const torch::Tensor& image) {
  const int64_t height = image.size(0), width = image.size(1);
  const int64_t full_height = fft_length(height + 8), full_width = fft_length(width + 8);
  const int64_t top = (full_height - height) / 2, left = (full_width - width) / 2;
  auto mirror = [](int64_t at, int64_t length) {
    while (at < 0 || at >= length) at = at < 0 ? -at : 2 * (length - 1) - at;
    return at;
  };
  SlowPlane plane{full_height, full_width, {}};
  for (int64_t y = 0; y < full_height; ++y) {
    for (int64_t x = 0; x < full_width; ++x) {
      plane.at.push_back(image[mirror(y - top, height)][mirror(x - left, width)].item<double>());
    }
  }
  std::vector<double> out = averaged(plane, height, width, top, left, 1);
  auto append = [&](const SlowPlane& map, int64_t step) {
    const auto values = averaged(map, height, width, top, left, step);
    out.insert(out.end(), values.begin(), values.end());
  };
  std::vector<SlowPlane> first;
  for (int scale : {0, 1}) {
    for (int angle = 0; angle < 8; ++angle) {
      const SlowPlane map = modulus_of_convolution(
          plane, torus_wavelet(scattering_wavelet(scale, angle, 8), full_height, full_width));
      append(map, scale + 1);
      if (scale == 0) first.push_back(map);
    }
  }
  std::vector<std::vector<std::complex<double>>> second;
  for (int angle = 0; angle < 8; ++angle) {
    second.push_back(torus_wavelet(scattering_wavelet(1, angle, 8), full_height, full_width));
  }
  for (const SlowPlane& map : first) {
    for (const auto& wavelet : second) append(modulus_of_convolution(map, wavelet), 2);
  }
  return out;
}

double relative_error(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(Scattering, EqualsSumsInSpace) {
  torch::manual_seed(3);
  const torch::Tensor images = torch::rand({1, 2, 8, 10});
  const torch::Tensor fast = Scattering(8, 10)(images);
  ASSERT_EQ(fast.sizes(), (torch::IntArrayRef{1, 162, 2, 2}));
  for (int64_t channel = 0; channel < 2; ++channel) {
    const std::vector<double> slow = slow_scattering(images[0][channel]);
    const torch::Tensor expected = torch::tensor(slow, torch::kFloat).view({81, 2, 2});
    for (int64_t map = 0; map < 81; ++map) {
      EXPECT_LT(relative_error(fast[0][81 * channel + map], expected[map]), 1e-5) << map;
    }
  }
}

TEST(Scattering, IsAFunctionOfEachRecordAlone) {
  torch::manual_seed(4);
  const torch::Tensor images = torch::rand({37, 1, 28, 28});  // two whole groups of lanes and a part of one
  const Scattering scattering(28, 28);
  const torch::Tensor all = scattering(images);
  for (int64_t i : {0, 15, 16, 36})
    EXPECT_TRUE(torch::equal(scattering(images.slice(0, i, i + 1)), all.slice(0, i, i + 1)));
  torch::Tensor odd = images.clone();
  odd[17].fill_(std::nanf(""));
  const torch::Tensor with_odd = scattering(odd);
  for (int64_t i = 0; i < 37; ++i) {
    EXPECT_TRUE(i == 17 || torch::equal(with_odd[i], all[i])) << i;
  }
}

// Exchanging rows and columns turns the angle a pi / 8 into pi / 2 - a pi / 8, whose modulus is that of index
// 4 - a.
TEST(Scattering, FollowsATransposedImage) {
  torch::manual_seed(5);
  const torch::Tensor images = torch::rand({3, 1, 20, 32});
  const torch::Tensor straight = Scattering(20, 32)(images);
  const torch::Tensor turned = Scattering(32, 20)(images.transpose(2, 3).contiguous()).transpose(2, 3);
  auto other = [](int a) { return (12 - a) % 8; };
  std::vector<int64_t> from = {0};
  for (int scale : {0, 1}) {
    for (int a = 0; a < 8; ++a) from.push_back(1 + 8 * scale + other(a));
  }
  for (int a = 0; a < 8; ++a) {
    for (int b = 0; b < 8; ++b) from.push_back(17 + 8 * other(a) + other(b));
  }
  EXPECT_LT(relative_error(turned.index_select(1, torch::tensor(from)), straight), 1e-5);
}

TEST(Scattering, AFlatImageHasNoWaves) {
  const torch::Tensor maps = Scattering(16, 24)(torch::full({1, 1, 16, 24}, 0.7));
  EXPECT_LT((maps.select(1, 0) - 0.7).abs().max().item<double>(), 1e-5);
  EXPECT_LT(maps.slice(1, 1).abs().max().item<double>(), 1e-5);
}

// sigma 0.8, xi 3 pi / 4, slant 4 / angles (as in Kymatio), an octave wider and lower at each scale.
TEST(Scattering, ParametersAreThoseOfTheLiterature) {
  const Morlet fine = scattering_wavelet(0, 0, 8), coarse = scattering_wavelet(1, 3, 8);
  EXPECT_DOUBLE_EQ(fine.sigma, 0.8);
  EXPECT_DOUBLE_EQ(fine.frequency, 0.75 * std::numbers::pi);
  EXPECT_DOUBLE_EQ(coarse.sigma, 1.6);
  EXPECT_DOUBLE_EQ(coarse.frequency, 0.375 * std::numbers::pi);
  EXPECT_DOUBLE_EQ(coarse.slant, 0.5);
  EXPECT_DOUBLE_EQ(coarse.angle, 0.375 * std::numbers::pi);
  EXPECT_DOUBLE_EQ(low_pass_sigma(2), 1.6);
}

// Littlewood and Paley's sum, which bounds how far the transform can enlarge a difference (Mallat 2012,
// section 2).
TEST(Scattering, WaveletsCoverTheFrequenciesWithoutAmplifying) {
  const int64_t side = 64;
  std::vector<double> sum(side * side);
  for (int scale : {0, 1}) {
    for (int angle = 0; angle < 8; ++angle) {
      const auto spectrum = wavelet_spectrum(scattering_wavelet(scale, angle, 8), side, side);
      EXPECT_NEAR(spectrum[0], 0, 1e-12);  // sums to zero
      for (int64_t y = 0; y < side; ++y) {
        for (int64_t x = 0; x < side; ++x) {
          const double here = spectrum[static_cast<size_t>(y * side + x)];
          const double there = spectrum[static_cast<size_t>((side - y) % side * side + (side - x) % side)];
          sum[static_cast<size_t>(y * side + x)] += 0.5 * (here * here + there * there);
        }
      }
    }
  }
  EXPECT_LT(*std::max_element(sum.begin(), sum.end()), 2.0);
  // From pi / 4 to 3 pi / 4 radians a pixel no direction is lost.
  for (int64_t k = side / 8; k <= 3 * side / 8; ++k) {
    EXPECT_GT(sum[static_cast<size_t>(k)], 0.2) << k;
    EXPECT_GT(sum[static_cast<size_t>(k * side)], 0.2) << k;
  }
}

TEST(Scattering, RefusesSizesThatItCannotServe) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{7, 28}, {28, 7}, {513, 28}, {0, 0}}) {
    EXPECT_THROW(Scattering(height, width), Error);
  }
}

}  // namespace
}  // namespace discreet
