#include "discreet/base/lattice_gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "discreet/base/error.h"

namespace discreet {
namespace {

TEST(LatticeStep, IsAPowerOfTwoNearAThousandthOfTheNoise) {
  for (const double stddev : {1., 1.1, 1.999, 2., 1e-6, 3e20, 0x1p-900, 0x1p900}) {
    const double step = lattice_step(stddev);
    int exponent;
    EXPECT_EQ(std::frexp(step, &exponent), 0.5);
    EXPECT_LE(step * 1024, stddev);
    EXPECT_GT(step * 2048, stddev);
  }
  for (const double stddev :
       {0., -1., 1e-300, 1e300, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    EXPECT_THROW(lattice_step(stddev), Error) << stddev;
  }
}

// Largest difference, in steps, between the fast and the __float128 noise of the same uniforms.
double worst_error(const std::vector<uint64_t>& radius_words, const std::vector<uint64_t>& angle_words) {
  RandomStream more = RandomStream::for_tests(11);
  const double scale = std::nextafter(2048., 0.);
  double worst = 0;
  for (const uint64_t radius : radius_words) {
    for (const uint64_t angle : angle_words) {
      double fast[2], high[2], low[2];
      if (!internal::fast_pair(radius, angle, scale, fast)) continue;
      internal::slow_pair(radius, angle, more, scale, high, low);
      for (int i = 0; i < 2; ++i) worst = std::max(worst, std::abs((fast[i] - high[i]) - low[i]));
    }
  }
  return worst;
}

TEST(LatticeGaussian, TheFastPathKeepsItsErrorBudget) {
  std::vector<uint64_t> edges;  // where polynomials, exponents and octants change
  for (int bit = 44; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    for (const uint64_t word :
         {power, power - 1, power + 1, ~power, uint64_t{0} - power, power + power / 2}) {
      edges.push_back(word);
    }
  }
  const uint64_t root_half = 0xB504F333F9DE6484u;  // sqrt(1/2): the mantissa's range ends here
  for (int k = 0; k < 20; ++k) {
    for (const uint64_t near : {root_half - 2048, root_half, root_half + 2048}) edges.push_back(near >> k);
  }
  std::vector<uint64_t> angles;
  for (uint64_t octant = 0; octant < 8; ++octant) {
    for (const uint64_t inside : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 60, (uint64_t{1} << 61) - 1}) {
      angles.push_back(octant << 61 | inside);
    }
  }
  EXPECT_LT(worst_error(edges, angles), 0x1p-22);
  RandomStream random = RandomStream::for_tests(12);
  for (int i = 0; i < 200; ++i) {
    std::vector<uint64_t> radius(20), angle(20);
    for (uint64_t& word : radius) word = random.next();
    for (uint64_t& word : angle) word = random.next();
    EXPECT_LT(worst_error(radius, angle), 0x1p-22);
  }
}

TEST(LatticeGaussian, TheFastPathLeavesTheTailsAlone) {
  double noise[2];
  const uint64_t tail = uint64_t{1} << 44;
  for (const uint64_t word : {uint64_t{0}, tail - 1, ~uint64_t{0}, uint64_t{0} - tail}) {
    EXPECT_FALSE(internal::fast_pair(word, 1, 1024, noise));
    EXPECT_TRUE(std::isnan(noise[0]) && std::isnan(noise[1]));
  }
  EXPECT_TRUE(internal::fast_pair(tail, 1, 1024, noise));
  EXPECT_TRUE(internal::fast_pair(uint64_t{0} - tail - 1, 1, 1024, noise));
}

// The tails go on for ever: a radius whose first words are zero is further out, not cut off.
TEST(LatticeGaussian, TheSlowPathHasUnlimitedTails) {
  RandomStream more = RandomStream::for_tests(13);
  double high[2], low[2];
  internal::slow_pair(0, 0, more, 1, high, low);
  EXPECT_GT(std::hypot(high[0], high[1]), std::sqrt(2 * 64 * std::log(2.)));
  internal::slow_pair(~uint64_t{0}, 0, more, 1, high, low);
  EXPECT_LT(std::hypot(high[0], high[1]), std::sqrt(2 * 0x1p-64));
  EXPECT_GT(std::hypot(high[0], high[1]), 0);
}

std::vector<double> awkward_values(double stddev) {
  RandomStream random = RandomStream::for_tests(14);
  const double step = lattice_step(stddev);
  std::vector<double> values = {0.,
                                -0.,
                                step / 2,
                                -step / 2,
                                step,
                                5e-324,
                                -5e-324,
                                1e300,
                                -1e300,
                                std::numeric_limits<double>::max(),
                                0x1p52 * step,
                                (0x1p52 - 0.5) * step,
                                -(0x1p52 + 1) * step,
                                0x1p53 * step,
                                (0x1p53 + 2) * step};
  while (values.size() < 5001) {
    values.push_back(
        std::ldexp(static_cast<double>(random.next()), -64 - static_cast<int>(random.next() % 20)) * stddev);
  }
  return values;
}

TEST(LatticeGaussian, FastAndSlowPathAgreeBitForBit) {
  for (const double stddev : {1., 0.7, 1e-5, 12345., 0x1p-900, 0x1p900}) {
    for (const size_t size :
         {size_t{1}, size_t{2}, size_t{3}, size_t{255}, size_t{256}, size_t{257}, size_t{5001}}) {
      std::vector<double> fast = awkward_values(stddev);
      fast.resize(size);
      std::vector<double> slow = fast;
      RandomStream a = RandomStream::for_tests(size), b = RandomStream::for_tests(size);
      add_lattice_gaussian(a, stddev, fast);
      internal::add_lattice_gaussian_slowly(b, stddev, slow);
      for (size_t i = 0; i < size; ++i) {
        ASSERT_EQ(fast[i], slow[i]) << i;
        ASSERT_EQ(std::signbit(fast[i]), std::signbit(slow[i])) << i;
      }
      ASSERT_EQ(a.next(), b.next());  // and both drew as much
    }
  }
}

TEST(LatticeGaussian, EveryReleaseIsAMultipleOfTheStepAndNoZeroIsNegative) {
  for (const double stddev : {1., 0.7, 1e-5, 12345.}) {
    const double step = lattice_step(stddev);
    std::vector<double> values = awkward_values(stddev);
    RandomStream random = RandomStream::for_tests(15);
    add_lattice_gaussian(random, stddev, values);
    for (const double value : values) {
      ASSERT_TRUE(std::isfinite(value));
      ASSERT_EQ(std::remainder(value, step), 0) << value;
    }
  }
  // Zeros are rare at 1024 steps a deviation, so many draws: about 2000 zeros from below and above. About
  // five of the pairs are in the tails, which the fast path gives as NaN and must not be trusted with.
  RandomStream random = RandomStream::for_tests(16);
  std::vector<double> values(5000000, -0.0);
  add_lattice_gaussian(random, 1, values);
  int64_t zeros = 0;
  for (const double value : values) {
    ASSERT_TRUE(std::isfinite(value));
    if (value != 0) continue;
    ++zeros;
    ASSERT_FALSE(std::signbit(value));
  }
  EXPECT_GT(zeros, 1000);
}

// Kolmogorov-Smirnov against the normal distribution: sqrt(n) D > 3.4 has probability 2 exp(-2 * 3.4^2) <
// 2e-10; the lattice itself adds at most half a step's density, sqrt(n) * 0.4 / 2048.
double kolmogorov_smirnov(std::vector<double> sample, double center, double stddev) {
  std::sort(sample.begin(), sample.end());
  const double n = static_cast<double>(sample.size());
  double worst = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double ideal = 0.5 * std::erfc(-(sample[i] - center) / stddev / std::sqrt(2.));
    worst = std::max({worst, std::abs(static_cast<double>(i) / n - ideal),
                      std::abs((static_cast<double>(i) + 1) / n - ideal)});
  }
  return worst * std::sqrt(n);
}

TEST(LatticeGaussian, IsGaussianAroundTheValue) {
  const size_t n = 400000;
  for (const double stddev : {1., 1.7, 3e-4}) {
    for (const double center : {0., 0.3 * lattice_step(stddev), 17.25 * stddev}) {
      std::vector<double> values(n, center);
      RandomStream random = RandomStream::for_tests(17);
      add_lattice_gaussian(random, stddev, values);
      EXPECT_LT(kolmogorov_smirnov(values, center, stddev),
                3.4 + std::sqrt(static_cast<double>(n)) * 0.4 / 2048);
    }
  }
}

TEST(LatticeGaussian, TheTwoValuesOfAPairAreUncorrelated) {
  const size_t n = 400000;
  std::vector<double> values(n, 0.0);
  RandomStream random = RandomStream::for_tests(18);
  add_lattice_gaussian(random, 1, values);
  for (const size_t lag : {size_t{1}, size_t{2}, size_t{127}, size_t{128}, size_t{256}}) {
    double product = 0, squares = 0;
    for (size_t i = 0; i + lag < n; ++i) {
      product += values[i] * values[i + lag];
      squares += (values[i] * values[i] - 1) * (values[i + lag] * values[i + lag] - 1);
    }
    EXPECT_LT(std::abs(product), 6.5 * std::sqrt(static_cast<double>(n)));  // 1e-10
    EXPECT_LT(std::abs(squares),
              6.5 * 2 * std::sqrt(static_cast<double>(n)));  // products of chi-squares: variance 4
  }
}

// Rounding is of the sum, not of the noise: where the value lies between two multiples moves the mean.
TEST(LatticeGaussian, TheMeanKeepsFractionsOfAStep) {
  const double step = lattice_step(1), value = 0.37 * step;
  double mean = 0;
  const size_t n = 1 << 22;
  std::vector<double> plus(n, value), minus(n, -value);
  RandomStream a = RandomStream::for_tests(19), b = RandomStream::for_tests(19);
  add_lattice_gaussian(a, 1, plus);
  add_lattice_gaussian(b, 1, minus);
  for (size_t i = 0; i < n; ++i) mean += (plus[i] - minus[i]) / static_cast<double>(n);
  // Same noise on both: the difference is 0 or 1 step, one with probability 0.74.
  EXPECT_NEAR(mean / step, 0.74, 6.2 * std::sqrt(0.74 * 0.26 / static_cast<double>(n)));
}

TEST(LatticeGaussian, RefusesSumsThatAreNotFiniteAndChangesNothing) {
  for (const double bad :
       {static_cast<double>(NAN), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
    std::vector<double> values(300, 0.125);
    values[299] = bad;
    RandomStream random = RandomStream::for_tests(20);
    EXPECT_THROW(add_lattice_gaussian(random, 1, values), Error);
    for (size_t i = 0; i < 299; ++i) ASSERT_EQ(values[i], 0.125);
  }
  RandomStream random = RandomStream::for_tests(20);
  std::vector<double> none;
  add_lattice_gaussian(random, 1, none);
}

}  // namespace
}  // namespace discreet
