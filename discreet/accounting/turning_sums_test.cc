#include "discreet/accounting/turning_sums.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/vector_testing.h"

namespace discreet {
namespace {

TEST(TurningSums, EqualTheDirectSums) {
  constexpr size_t kPoints = 77, kCount = 300;  // neither a number of whole vectors nor of laps
  std::vector<double> angles(kPoints), weights(kPoints);
  double all = 0;
  for (size_t i = 0; i < kPoints; ++i) {
    angles[i] = std::sin(static_cast<double>(i)) * 2;
    weights[i] = 1 + std::cos(static_cast<double>(3 * i));
    all += weights[i];
  }
  with_all_vectors([&] {
    const std::vector<std::complex<double>> sums = turning_sums(angles, weights, kCount);
    ASSERT_EQ(sums.size(), kCount);
    for (size_t n = 1; n <= kCount; ++n) {
      long double re = 0, im = 0, by_angles = 0;
      for (size_t i = 0; i < kPoints; ++i) {
        const long double angle = static_cast<long double>(n) * angles[i];
        re += weights[i] * std::cos(angle);
        im += weights[i] * std::sin(angle);
        by_angles += weights[i] * std::abs(angle) * 0x1p-53L;
      }
      const double off = std::hypot(static_cast<double>(sums[n - 1].real() - re),
                                    static_cast<double>(sums[n - 1].imag() - im));
      ASSERT_LE(off, all * turning_error(kPoints, n) + static_cast<double>(by_angles)) << n;
    }
  });
}

TEST(TurningSums, OfNothingAreNothing) {
  EXPECT_TRUE(turning_sums({1, 2}, {1, 1}, 0).empty());
  EXPECT_EQ(turning_sums({}, {}, 2), (std::vector<std::complex<double>>{0, 0}));
}

}  // namespace
}  // namespace discreet
