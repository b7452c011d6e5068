#include "discreet/model/fft.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "discreet/base/error.h"

namespace discreet {
namespace {

using Plane = std::vector<std::complex<double>>;

// The definition, one sum for each frequency.
Plane slow_fft2(const Plane& in, int64_t height, int64_t width) {
  Plane out(in.size());
  for (int64_t ky = 0; ky < height; ++ky) {
    for (int64_t kx = 0; kx < width; ++kx) {
      std::complex<double> sum = 0;
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          const double turns = static_cast<double>(ky * y % height) / static_cast<double>(height) +
                               static_cast<double>(kx * x % width) / static_cast<double>(width);
          sum += in[static_cast<size_t>(y * width + x)] * std::polar(1.0, -2 * std::numbers::pi * turns);
        }
      }
      out[static_cast<size_t>(ky * width + kx)] = sum;
    }
  }
  return out;
}

TEST(Fft, EqualsItsDefinitionOnEveryLane) {
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{4, 5}, {9, 8}, {6, 25}, {12, 15}, {36, 20}}) {
    const int64_t size = height * width;
    torch::manual_seed(7);
    const torch::Tensor values = torch::randn({2, size, kLaneWidth});
    torch::Tensor buffers = torch::empty({4, size, kLaneWidth});
    buffers.slice(0, 0, 2).copy_(values);
    auto lanes = [&](int64_t i) { return reinterpret_cast<Lane*>(buffers[i].data_ptr<float>()); };
    const auto result =
        fft2(fft_plan(height), fft_plan(width), height, width, {lanes(0), lanes(1)}, {lanes(2), lanes(3)});
    for (int lane : {0, 7, 15}) {
      Plane in;
      for (int64_t i = 0; i < size; ++i) {
        in.emplace_back(values[0][i][lane].item<double>(), values[1][i][lane].item<double>());
      }
      const Plane expected = slow_fft2(in, height, width);
      for (int64_t i = 0; i < size; ++i) {
        const double scale = std::sqrt(static_cast<double>(size));
        ASSERT_NEAR(result.first.re[i][lane], expected[static_cast<size_t>(i)].real(), 1e-5 * scale);
        ASSERT_NEAR(result.first.im[i][lane], expected[static_cast<size_t>(i)].imag(), 1e-5 * scale);
      }
    }
  }
}

TEST(Fft, LengthsHaveOnlySmallFactors) {
  EXPECT_EQ(fft_length(36), 36);
  EXPECT_EQ(fft_length(37), 40);
  EXPECT_EQ(fft_length(41), 48);
  EXPECT_EQ(fft_length(1), 4);
  for (int64_t length = 1; length < 600; ++length) EXPECT_NO_THROW(fft_plan(fft_length(length)));
  EXPECT_THROW(fft_plan(14), Error);
}

}  // namespace
}  // namespace discreet
