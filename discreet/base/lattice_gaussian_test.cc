#include "discreet/base/lattice_gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/base/vector_testing.h"

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

std::vector<float> awkward_floats(double stddev) {
  std::vector<float> floats;
  for (const double value : awkward_values(stddev)) {
    const auto narrow = static_cast<float>(value);
    floats.push_back(std::isfinite(narrow) ? narrow
                                           : std::copysign(std::numeric_limits<float>::max(), narrow));
  }
  return floats;
}

template <class T>
void expect_same_from_every_precision(const std::vector<T>& values, double stddev) {
  using internal::Precision;
  for (const size_t size : {1u, 2u, 31u, 32u, 33u, 1024u, 1025u, 5001u}) {
    std::vector<T> expected(values.begin(), values.begin() + static_cast<ptrdiff_t>(size));
    RandomStream first = RandomStream::for_tests(size);
    internal::add_lattice_gaussian(first, stddev, std::span(expected), Precision::kQuad);
    const uint64_t next = first.next();
    const auto check = [&](Precision precision) {
      std::vector<T> same(values.begin(), values.begin() + static_cast<ptrdiff_t>(size));
      RandomStream random = RandomStream::for_tests(size);
      internal::add_lattice_gaussian(random, stddev, std::span(same), precision);
      for (size_t i = 0; i < size; ++i) {
        ASSERT_EQ(same[i], expected[i]) << i;
        ASSERT_EQ(std::signbit(same[i]), std::signbit(expected[i])) << i;
      }
      ASSERT_EQ(random.next(), next);  // and all drew as much
    };
    check(Precision::kDouble);
    with_all_vectors([&] { check(Precision::kFloat); });
  }
}

// Floats, doubles and __float128 first, on every kind of vectors: the release is the same, bit for bit.
TEST(LatticeGaussian, EveryPrecisionAndProcessorReleasesTheSame) {
  for (const double stddev : {1., 0.7, 1e-5, 12345., 0x1p-900, 0x1p900})
    expect_same_from_every_precision(awkward_values(stddev), stddev);
  for (const double stddev : {1., 0.7, 12345., 0x1p-100, 0x1p96})
    expect_same_from_every_precision(awkward_floats(stddev), stddev);
}

TEST(LatticeGaussian, FloatsGetTheDoublesReleaseRounded) {
  for (const double stddev : {1., 0.7, 12345., 0x1p-100, 0x1p96}) {
    std::vector<float> floats = awkward_floats(stddev);
    std::vector<double> doubles(floats.begin(), floats.end());
    RandomStream a = RandomStream::for_tests(21), b = RandomStream::for_tests(21);
    add_lattice_gaussian(a, stddev, std::span(floats));
    add_lattice_gaussian(b, stddev, std::span(doubles));
    for (size_t i = 0; i < floats.size(); ++i) ASSERT_EQ(floats[i], static_cast<float>(doubles[i])) << i;
  }
  std::vector<float> one(1);
  RandomStream random = RandomStream::for_tests(21);
  for (const double stddev : {0x1p-101, 0x1p97, static_cast<double>(NAN)})
    EXPECT_THROW(add_lattice_gaussian(random, stddev, std::span(one)), Error) << stddev;
}

TEST(LatticeGaussian, TheReleaseInFloatsIsScaledOnce) {
  const std::vector<double> sums = awkward_values(0.7);
  std::vector<double> expected = sums;
  std::vector<float> released(sums.size());
  RandomStream a = RandomStream::for_tests(22), b = RandomStream::for_tests(22);
  release_lattice_gaussian(a, 0.7, sums, 1. / 256, released);
  add_lattice_gaussian(b, 0.7, std::span(expected));
  for (size_t i = 0; i < sums.size(); ++i) ASSERT_EQ(released[i], static_cast<float>(expected[i] / 256)) << i;
  EXPECT_THROW(release_lattice_gaussian(a, 0.7, sums, static_cast<double>(NAN), released), Error);
  released.pop_back();
  EXPECT_THROW(release_lattice_gaussian(a, 0.7, sums, 1, released), Error);
}

// Floats in place: the release that the same sums in double give.
TEST(LatticeGaussian, TheReleaseInPlaceIsThatOfTheSameSumsInDouble) {
  std::vector<float> sums(5000);
  for (size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<float>(std::sin(i) * std::pow(10, i % 4));
  const std::vector<double> wide(sums.begin(), sums.end());
  std::vector<float> expected(sums.size());
  RandomStream a = RandomStream::for_tests(23), b = RandomStream::for_tests(23);
  release_lattice_gaussian(a, 0.7, wide, 1. / 3, expected);
  release_lattice_gaussian(b, 0.7, 1. / 3, sums);
  EXPECT_EQ(sums, expected);
  std::vector<float> more(sums.size());
  std::vector<double> both(sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    more[i] = static_cast<float>(std::cos(i));
    both[i] = static_cast<double>(sums[i]) + more[i];
  }
  release_lattice_gaussian(a, 0.7, both, 1. / 3, expected);
  release_lattice_gaussian(b, 0.7, sums, more, 1. / 3, sums);
  EXPECT_EQ(sums, expected);
  EXPECT_THROW(release_lattice_gaussian(a, 0.7, sums, std::span(more).first(4), 1, sums), Error);
  EXPECT_THROW(release_lattice_gaussian(a, 0.7, static_cast<double>(NAN), sums), Error);
  EXPECT_THROW(release_lattice_gaussian(a, 0x1p97, 1, sums), Error);
  sums[7] = INFINITY;
  EXPECT_THROW(release_lattice_gaussian(a, 0.7, 1, sums), Error);
}

TEST(LatticeGaussian, EveryReleaseIsAMultipleOfTheStepAndNoZeroIsNegative) {
  for (const double stddev : {1., 0.7, 1e-5, 12345.}) {
    const double step = lattice_step(stddev);
    std::vector<double> values = awkward_values(stddev);
    RandomStream random = RandomStream::for_tests(15);
    add_lattice_gaussian(random, stddev, std::span(values));
    for (const double value : values) {
      ASSERT_TRUE(std::isfinite(value));
      ASSERT_EQ(std::remainder(value, step), 0) << value;
    }
    std::vector<float> floats = awkward_floats(stddev);
    add_lattice_gaussian(random, stddev, std::span(floats));
    for (const float value : floats) {
      ASSERT_TRUE(std::isfinite(value));
      ASSERT_EQ(std::remainder(static_cast<double>(value), step), 0) << value;
    }
  }
  // Zeros are rare at 1024 steps a deviation, so many draws: about 2000 zeros from below and above.
  RandomStream random = RandomStream::for_tests(16);
  std::vector<double> values(5000000, -0.0);
  add_lattice_gaussian(random, 1, std::span(values));
  int64_t zeros = 0;
  for (const double value : values) {
    ASSERT_TRUE(std::isfinite(value));
    if (value != 0) continue;
    ++zeros;
    ASSERT_FALSE(std::signbit(value));
  }
  EXPECT_GT(zeros, 1000);
}

// Rounding is of the sum, not of the noise: where the value lies between two multiples moves the mean.
TEST(LatticeGaussian, TheMeanKeepsFractionsOfAStep) {
  const double step = lattice_step(1), value = 0.37 * step;
  double mean = 0;
  const size_t n = 1 << 22;
  std::vector<double> plus(n, value), minus(n, -value);
  RandomStream a = RandomStream::for_tests(19), b = RandomStream::for_tests(19);
  add_lattice_gaussian(a, 1, std::span(plus));
  add_lattice_gaussian(b, 1, std::span(minus));
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
    EXPECT_THROW(add_lattice_gaussian(random, 1, std::span(values)), Error);
    for (size_t i = 0; i < 299; ++i) ASSERT_EQ(values[i], 0.125);
    for (const size_t at : {0u, 5u, 63u, 299u}) {
      std::vector<float> floats(300, 0.125f);
      floats[at] = static_cast<float>(bad);
      with_all_vectors(
          [&] { EXPECT_THROW(add_lattice_gaussian(random, 1, std::span(floats)), Error) << at; });
      EXPECT_EQ(std::count(floats.begin(), floats.end(), 0.125f), 299);
    }
  }
  RandomStream random = RandomStream::for_tests(20);
  std::vector<double> none;
  add_lattice_gaussian(random, 1, std::span(none));
}

}  // namespace
}  // namespace discreet
