#include "discreet/report/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace discreet {
namespace {

TEST(Numbers, PercentagesRoundUpwards) {
  EXPECT_EQ(percent_rounded_up(0.9525741268224334), "95.3\u00A0%");
  EXPECT_EQ(percent_rounded_up(0.5), "50\u00A0%");
  EXPECT_EQ(percent_rounded_up(0.01), "1\u00A0%");
  EXPECT_EQ(percent_rounded_up(0.000123), "0.013\u00A0%");
  EXPECT_EQ(percent_rounded_up(0.99995), "99.995\u00A0%");
  EXPECT_EQ(percent_rounded_up(1 - 4.5398e-5), "99.9955\u00A0%");
  EXPECT_EQ(percent_rounded_up(1 - 1e-13), "more than 99.99999999\u00A0%");
  EXPECT_EQ(percent_rounded_up(1), "100\u00A0%");
  EXPECT_EQ(percent_rounded_up(0), "0\u00A0%");
  EXPECT_EQ(percent_rounded_down(0.0474), "4.7\u00A0%");
  EXPECT_EQ(percent_rounded_down(0.5), "50\u00A0%");
}

TEST(Numbers, BudgetsRoundUpwards) {
  EXPECT_EQ(rounded_up(2.99812), "2.999");
  EXPECT_EQ(rounded_up(3), "3");
  EXPECT_EQ(rounded_up(0.1), "0.1");
  EXPECT_EQ(rounded_up(0.00123456), "0.001235");
  EXPECT_EQ(rounded_up(12345.6), "12346");
  EXPECT_EQ(rounded_up(INFINITY), "unlimited");
  EXPECT_EQ(rounded_up_to(2.6991, 2), "2.70");
  EXPECT_EQ(rounded_up_to(0.3, 4), "0.3000");
}

TEST(Numbers, Chances) {
  EXPECT_EQ(one_in(1e-5), "1 in 100,000");
  EXPECT_EQ(one_in(1.1e-5), "1 in 90,909");
  EXPECT_EQ(one_in(0), "0");
  EXPECT_EQ(scientific_rounded_up(1e-5), "10⁻⁵");
  EXPECT_EQ(scientific_rounded_up(8.991e-6), "9 × 10⁻⁶");
  EXPECT_EQ(scientific_rounded_up(9.99e-6), "10⁻⁵");
  EXPECT_EQ(scientific_rounded_up(1.23e-12), "1.3 × 10⁻¹²");
  EXPECT_EQ(scientific_rounded_up(0), "0");
}

TEST(Numbers, PlainFigures) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
  EXPECT_EQ(significant(0.91034), "0.9103");
  EXPECT_EQ(significant(123456), "123,456");
}

// What is shown, read back, is never below the truth and not far above it.
TEST(Numbers, NeverBelowTheTruth) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> logarithm(-4, 3), share(0, 1);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::pow(10, logarithm(random));
    const double shown = std::stod(rounded_up(value));
    ASSERT_GE(shown, value * (1 - 1e-11)) << value;
    ASSERT_LE(shown, value * (1 + 1.001e-3)) << value;
    const double probability = share(random);
    const double percent = std::stod(percent_rounded_up(probability));
    ASSERT_GE(percent, 100 * probability * (1 - 1e-11)) << probability;
    ASSERT_LE(percent, 100 * probability + 0.1 + 1e-9) << probability;
    ASSERT_LE(std::stod(percent_rounded_down(probability)), 100 * probability * (1 + 1e-11) + 1e-12)
        << probability;
  }
}

}  // namespace
}  // namespace discreet
