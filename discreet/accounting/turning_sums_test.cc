#include "discreet/accounting/turning_sums.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/vector_testing.h"

namespace discreet {
namespace {

void expect_direct_sums(size_t points) {
  constexpr size_t kCount = 300;
  std::vector<double> angles(points), weights(points);
  double all = 0;
  for (size_t i = 0; i < points; ++i) {
    angles[i] = std::sin(static_cast<double>(i)) * 2;
    weights[i] = 1 + std::cos(static_cast<double>(3 * i));
    all += weights[i];
  }
  with_all_vectors([&] {
    const std::vector<std::complex<double>> sums = turning_sums(angles, weights, kCount);
    ASSERT_EQ(sums.size(), kCount);
    for (size_t n = 1; n <= kCount; ++n) {
      long double re = 0, im = 0, by_angles = 0;
      for (size_t i = 0; i < points; ++i) {
        const long double angle = static_cast<long double>(n) * angles[i];
        re += weights[i] * std::cos(angle);
        im += weights[i] * std::sin(angle);
        by_angles += weights[i] * std::abs(angle) * 0x1p-53L;
      }
      const double off = std::hypot(static_cast<double>(sums[n - 1].real() - re),
                                    static_cast<double>(sums[n - 1].imag() - im));
      ASSERT_LE(off, all * turning_error(points, n) + static_cast<double>(by_angles)) << n;
    }
  });
}

// Not a number of whole vectors, nor of laps; the second not of batches either.
TEST(TurningSums, EqualTheDirectSums) {
  expect_direct_sums(77);
  expect_direct_sums(5001);
}

TEST(TurningSums, OfNothingAreNothing) {
  EXPECT_TRUE(turning_sums({1, 2}, {1, 1}, 0).empty());
  EXPECT_EQ(turning_sums({}, {}, 2), (std::vector<std::complex<double>>{0, 0}));
}

}  // namespace
}  // namespace discreet
