#include "discreet/base/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Chi-square against the expected probabilities. With k cells the statistic is near normal, mean k - 1 and
// variance 2 (k - 1); above mean + 7 deviations + 30 is a false alarm with probability below 1e-9.
void expect_distribution(const std::map<int64_t, int64_t>& counts, int64_t draws,
                         const std::function<double(int64_t)>& probability, int64_t low, int64_t high) {
  double statistic = 0, rest = 1, cells = 0;
  int64_t rest_count = draws;
  for (int64_t x = low; x <= high; ++x) {
    const double expected = probability(x) * static_cast<double>(draws);
    if (expected < 10) continue;
    const auto found = counts.find(x);
    const int64_t count = found == counts.end() ? 0 : found->second;
    statistic += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
    rest -= probability(x);
    rest_count -= count;
    ++cells;
  }
  const double expected = std::max(rest * static_cast<double>(draws), 1.0);
  statistic +=
      (static_cast<double>(rest_count) - expected) * (static_cast<double>(rest_count) - expected) / expected;
  EXPECT_LT(statistic, cells + 7 * std::sqrt(2 * cells) + 30);
}

TEST(UniformBelow, IsUniformAlsoWhereModuloWouldNotBe) {
  RandomStream random = RandomStream::for_tests(1);
  for (const uint64_t n : {1u, 2u, 3u, 7u, 64u, 100u}) {
    std::map<int64_t, int64_t> counts;
    for (int i = 0; i < 50000; ++i) ++counts[static_cast<int64_t>(uniform_below(random, n))];
    expect_distribution(
        counts, 50000, [&](int64_t) { return 1. / static_cast<double>(n); }, 0, static_cast<int64_t>(n) - 1);
  }
  // Two thirds of the range of 64 bits: a modulo would give the lower half twice as often.
  const uint64_t n = UINT64_MAX / 3 * 2;
  int64_t low = 0;
  for (int i = 0; i < 100000; ++i) low += uniform_below(random, n) < n / 2;
  EXPECT_NEAR(low, 50000, 6.2 * std::sqrt(25000.));  // 1e-9
  EXPECT_THROW(uniform_below(random, 0), Error);
}

TEST(Bernoulli, HasItsProbability) {
  RandomStream random = RandomStream::for_tests(2);
  for (const double p : {0., 1e-3, 0.1, 0.5, 0.7, 1 - 1e-3, 1.}) {
    int64_t hits = 0;
    for (int i = 0; i < 200000; ++i) hits += bernoulli(random, p);
    EXPECT_NEAR(hits, 200000 * p, 6.2 * std::sqrt(200000 * p * (1 - p)));  // 1e-9
  }
  for (const double p : {-1e-9, 1 + 1e-9, std::nan("")}) EXPECT_THROW(bernoulli(random, p), Error);
}

// A seed whose first word passes `wanted`.
uint64_t seed_with(const std::function<bool(uint64_t first, uint64_t second)>& wanted) {
  for (uint64_t seed = 0;; ++seed) {
    RandomStream random = RandomStream::for_tests(seed);
    const uint64_t first = random.next();
    if (wanted(first, random.next())) return seed;
  }
}

bool drawn(uint64_t seed, double p) {
  RandomStream random = RandomStream::for_tests(seed);
  return bernoulli(random, p);
}

// The comparison goes on where the first 64 binary digits are equal, and ends where p does.
TEST(Bernoulli, UsesEveryBitOfP) {
  // p is the first word exactly: the uniform is not below it. One double further up it is.
  uint64_t seed = seed_with([](uint64_t first, uint64_t) { return (first & 0x7FF) == 0; });
  double p = std::ldexp(static_cast<double>(RandomStream::for_tests(seed).next()), -64);
  EXPECT_FALSE(drawn(seed, p));
  EXPECT_TRUE(drawn(seed, std::nextafter(p, 1.)));
  // p is the first word and a half: the highest bit of the second word decides.
  for (const uint64_t high : {0, 1}) {
    seed = seed_with(
        [&](uint64_t first, uint64_t second) { return first < uint64_t{1} << 52 && second >> 63 == high; });
    p = std::ldexp(static_cast<double>(RandomStream::for_tests(seed).next()) + 0.5, -64);
    EXPECT_EQ(drawn(seed, p), high == 0);
  }
  // The smallest double takes 17 words if the first 16 are zero.
  RandomStream random = RandomStream::for_tests(6);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(bernoulli(random, 5e-324));
}

TEST(PoissonSample, CountsAreBinomialAndEveryIndexHasItsRate) {
  RandomStream random = RandomStream::for_tests(3);
  const int64_t n = 40;
  const double rate = 0.3;
  std::map<int64_t, int64_t> sizes, indices, pairs;
  const int64_t draws = 40000;
  for (int64_t i = 0; i < draws; ++i) {
    const auto sample = poisson_sample(random, n, rate);
    ASSERT_TRUE(std::is_sorted(sample.begin(), sample.end()));
    ++sizes[static_cast<int64_t>(sample.size())];
    for (const int64_t index : sample) ++indices[index];
    if (std::binary_search(sample.begin(), sample.end(), 0) &&
        std::binary_search(sample.begin(), sample.end(), 1)) {
      ++pairs[0];
    }
  }
  const auto binomial = [&](int64_t k) {
    return std::exp(std::lgamma(n + 1.) - std::lgamma(k + 1.) - std::lgamma(n - k + 1.) +
                    static_cast<double>(k) * std::log(rate) + static_cast<double>(n - k) * std::log1p(-rate));
  };
  expect_distribution(sizes, draws, binomial, 0, n);
  ASSERT_EQ(indices.begin()->first, 0);
  ASSERT_EQ(indices.rbegin()->first, n - 1);
  const double deviation = std::sqrt(draws * rate * (1 - rate));
  for (const auto& [index, count] : indices) EXPECT_NEAR(count, draws * rate, 6.8 * deviation);  // 1e-11 each
  EXPECT_NEAR(pairs[0], draws * rate * rate, 6.2 * std::sqrt(draws * rate * rate * (1 - rate * rate)));
}

TEST(PoissonSample, Corners) {
  RandomStream random = RandomStream::for_tests(4);
  EXPECT_TRUE(poisson_sample(random, 100, 0).empty());
  EXPECT_TRUE(poisson_sample(random, 0, 0.5).empty());
  EXPECT_EQ(poisson_sample(random, 100, 1).size(), 100u);
  EXPECT_THROW(poisson_sample(random, -1, 0.5), Error);
  EXPECT_THROW(poisson_sample(random, 10, 1.5), Error);
  EXPECT_THROW(poisson_sample(random, 10, NAN), Error);
}

// Against the definition, one independent trial an index: every one of the 64 subsets.
TEST(PoissonSample, EverySubsetHasItsProbability) {
  RandomStream random = RandomStream::for_tests(9);
  for (const double rate : {0.05, 0.37, 0.8}) {
    std::map<int64_t, int64_t> by_gaps, by_trials;
    const int64_t draws = 60000;
    for (int64_t i = 0; i < draws; ++i) {
      int64_t subset = 0, reference = 0;
      for (const int64_t index : poisson_sample(random, 6, rate)) subset |= int64_t{1} << index;
      for (int index = 0; index < 6; ++index) reference |= int64_t{bernoulli(random, rate)} << index;
      ++by_gaps[subset];
      ++by_trials[reference];
    }
    const auto probability = [&](int64_t subset) {
      const int size = std::popcount(static_cast<uint64_t>(subset));
      return std::pow(rate, size) * std::pow(1 - rate, 6 - size);
    };
    expect_distribution(by_gaps, draws, probability, 0, 63);
    expect_distribution(by_trials, draws, probability, 0, 63);
  }
}

// Rare draws have their rate, every index included, and the time is that of the few that are drawn: trials
// one by one would take days.
TEST(PoissonSample, ARareDrawOfVeryMany) {
  RandomStream random = RandomStream::for_tests(10);
  for (const auto& [n, rate] :
       std::vector<std::pair<int64_t, double>>{{1000000, 1e-6}, {1000000000000, 3e-12}}) {
    const double mean = static_cast<double>(n) * rate;
    std::map<int64_t, int64_t> sizes, tenths;
    const int64_t draws = 40000;
    int64_t total = 0;
    for (int64_t i = 0; i < draws; ++i) {
      const auto sample = poisson_sample(random, n, rate);
      ++sizes[static_cast<int64_t>(sample.size())];
      for (const int64_t index : sample) ++tenths[index / (n / 10)];
      total += static_cast<int64_t>(sample.size());
    }
    expect_distribution(
        sizes, draws,  // binomial; Poisson but for 1e-6 in relative terms
        [&](int64_t k) {
          return std::exp(static_cast<double>(k) * std::log(mean) - mean -
                          std::lgamma(static_cast<double>(k) + 1));
        },
        0, 30);
    expect_distribution(
        tenths, total, [](int64_t) { return 0.1; }, 0, 9);
  }
}

TEST(Choose, EverySubsetEquallyOften) {
  RandomStream random = RandomStream::for_tests(5);
  std::map<int64_t, int64_t> counts;
  for (int i = 0; i < 60000; ++i) {
    const auto subset = choose(random, 6, 3);
    ASSERT_EQ(subset.size(), 3u);
    ASSERT_TRUE(subset[0] < subset[1] && subset[1] < subset[2]);
    int64_t mask = 0;
    for (const int64_t index : subset) mask |= int64_t{1} << index;
    ++counts[mask];
  }
  EXPECT_EQ(counts.size(), 20u);
  expect_distribution(
      counts, 60000, [&](int64_t mask) { return counts.count(mask) ? 1. / 20 : 0.; }, 0, 63);
  EXPECT_TRUE(choose(random, 5, 0).empty());
  EXPECT_EQ(choose(random, 5, 5), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_THROW(choose(random, 5, 6), Error);
  EXPECT_THROW(choose(random, 5, -1), Error);
}

TEST(DiscreteLaplace, IsTheDiscreteLaplace) {
  RandomStream random = RandomStream::for_tests(11);
  for (const double scale : {1. / 1024, 0.25, 0.75, 1., 3.5, 20.0009765625}) {
    // Canonne, Kamath, Steinke 2020, definition 3: (e^(1/s) - 1) / (e^(1/s) + 1) e^(-|x|/s).
    const double ratio = std::exp(-1 / scale), middle = (1 - ratio) / (1 + ratio);
    std::map<int64_t, int64_t> counts;
    const int64_t draws = 40000;
    for (int64_t i = 0; i < draws; ++i) ++counts[discrete_laplace(random, scale)];
    expect_distribution(
        counts, draws,
        [&](int64_t x) { return middle * std::exp(-std::abs(static_cast<double>(x)) / scale); }, -400, 400);
  }
}

TEST(DiscreteLaplace, AtTheLargestScale) {
  RandomStream random = RandomStream::for_tests(12);
  const double scale = 0x1p30 - 1. / 1024;
  double sizes = 0, above = 0;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    const double x = static_cast<double>(discrete_laplace(random, scale)) / scale;
    sizes += std::abs(x);
    above += x > 0;
  }
  EXPECT_NEAR(sizes / draws, 1, 7 * std::sqrt(1. / draws));  // exponential: deviation 1; 1e-10
  EXPECT_NEAR(above, draws / 2., 7 * std::sqrt(draws / 4.));
}

TEST(DiscreteLaplace, RefusesWhatIsNotExact) {
  RandomStream random = RandomStream::for_tests(13);
  for (const double scale :
       {0., -1., 0.1, 1 + 1e-9, 0x1p31, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    EXPECT_THROW(discrete_laplace(random, scale), Error) << scale;
  }
}

TEST(DiscreteGaussian, IsTheDiscreteGaussian) {
  RandomStream random = RandomStream::for_tests(6);
  for (const double stddev : {1. / 1024, 0.25, 0.75, 1., 3.5, 20.0009765625}) {
    double total = 0;
    for (int64_t x = -400; x <= 400; ++x)
      total += std::exp(-static_cast<double>(x * x) / (2 * stddev * stddev));
    std::map<int64_t, int64_t> counts;
    const int64_t draws = 40000;
    for (int64_t i = 0; i < draws; ++i) ++counts[discrete_gaussian(random, stddev)];
    expect_distribution(
        counts, draws,
        [&](int64_t x) { return std::exp(-static_cast<double>(x * x) / (2 * stddev * stddev)) / total; },
        -200, 200);
  }
}

TEST(DiscreteGaussian, AtTheLargestScale) {
  RandomStream random = RandomStream::for_tests(7);
  const double stddev = 0x1p30 - 1. / 1024;
  double squares = 0;
  const int draws = 4000;
  for (int i = 0; i < draws; ++i) {
    const double x = static_cast<double>(discrete_gaussian(random, stddev)) / stddev;
    squares += x * x;
  }
  EXPECT_NEAR(squares / draws, 1, 7 * std::sqrt(2. / draws));  // 1e-10
}

TEST(DiscreteGaussian, RefusesWhatIsNotExact) {
  RandomStream random = RandomStream::for_tests(8);
  for (const double stddev :
       {0., -1., 0.1, 1 + 1e-9, 0x1p31, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    EXPECT_THROW(discrete_gaussian(random, stddev), Error) << stddev;
  }
}

}  // namespace
}  // namespace discreet
