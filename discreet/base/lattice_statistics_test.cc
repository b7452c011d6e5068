// Statistical tests of the lattice Gaussian. Seeds are fixed; the rates stated are those at which a right
// sampler would fail on a fresh seed. 10^7 draws, 10^9 in `make soak`.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include "discreet/base/lattice_gaussian.h"

namespace discreet {
namespace {

int64_t draws() {
  return std::getenv("DISCREET_SOAK") ? 1'000'000'000 : 10'000'000;
}

double normal_below(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.));
}

// How often each multiple of the step was released: counts[kReach + k] for the multiple nearest(center) + k.
constexpr int64_t kReach = 16384;  // 8 to 16 standard deviations

template <class T>
std::vector<int64_t> histogram(double stddev, double center, int64_t n) {
  const double step = lattice_step(stddev), middle = std::rint(center / step);
  std::vector<int64_t> counts(2 * kReach + 1);
  RandomStream random = RandomStream::for_tests(17);
  std::vector<T> values(10000);
  for (int64_t done = 0; done < n; done += static_cast<int64_t>(values.size())) {
    std::fill(values.begin(), values.end(), static_cast<T>(center));
    add_lattice_gaussian(random, stddev, std::span(values));
    for (const T value : values)
      ++counts.at(static_cast<size_t>(kReach + static_cast<int64_t>(value / step - middle)));
  }
  return counts;
}

// Every test below is against the exact probability of each multiple, so the lattice needs no allowance.
template <class T>
void expect_gaussian(double stddev, double center, int64_t n) {
  SCOPED_TRACE(testing::Message() << stddev << " around " << center);
  const std::vector<int64_t> counts = histogram<T>(stddev, center, n);
  const double step = lattice_step(stddev), total = static_cast<double>(n);
  const double offset = std::rint(center / step) * step - center;
  const auto below = [&](int64_t k) {  // probability of multiples k and less
    return normal_below((offset + (static_cast<double>(k) + 0.5) * step) / stddev);
  };
  double largest = 0, anderson_darling = 0, chi_square = 0, cells = 0;
  int64_t so_far = 0;
  for (int64_t k = -kReach; k <= kReach; ++k) {
    const int64_t count = counts[static_cast<size_t>(kReach + k)];
    so_far += count;
    const double ideal = below(k), probability = ideal - below(k - 1), expected = total * probability;
    const double difference = static_cast<double>(so_far) / total - ideal;
    largest = std::max(largest, std::abs(difference));
    if (ideal > 0 && ideal < 1)
      anderson_darling += total * difference * difference / (ideal * (1 - ideal)) * probability;
    if (expected >= 10) {
      chi_square +=
          (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
      ++cells;
    }
  }
  // Kolmogorov-Smirnov: sqrt(n) D > 3.4 with probability below 2 exp(-2 3.4^2) = 2e-10 (Massart 1990).
  EXPECT_LT(std::sqrt(total) * largest, 3.4);
  // Anderson-Darling: the statistic is a sum of chi-squares over j (j + 1), so its tail falls like exp(-x):
  // above 18 with probability below 1e-7.
  EXPECT_LT(anderson_darling, 18);
  // Every multiple by itself: mean `cells`, variance about twice that; 7 deviations, below 1e-9.
  EXPECT_LT(chi_square, cells + 7 * std::sqrt(2 * cells) + 30);
  EXPECT_GT(cells, 5000);
  // Both tails beyond 1 to 5 standard deviations: 7 deviations of a Poisson count, and 12 more for small
  // ones.
  for (int sigma = 1; sigma <= 5; ++sigma) {
    for (const int side : {-1, 1}) {
      const auto k = static_cast<int64_t>(std::rint(sigma * stddev / step));
      int64_t beyond = 0;
      for (int64_t j = k; j <= kReach; ++j) beyond += counts[static_cast<size_t>(kReach + side * j)];
      const double expected =
          total *
          (side < 0 ? below(-k) : normal_below((-offset - (static_cast<double>(k) - 0.5) * step) / stddev));
      EXPECT_NEAR(static_cast<double>(beyond), expected, 7 * std::sqrt(expected) + 12) << side * sigma;
    }
  }
}

TEST(LatticeStatistics, DoublesAreGaussian) {
  expect_gaussian<double>(1, 0, draws());
}
TEST(LatticeStatistics, FloatsAreGaussian) {
  expect_gaussian<float>(1, 0, draws());
}

TEST(LatticeStatistics, AroundAnyValueAtAnyDeviation) {
  for (const double stddev : {1.7, 3e-4}) {
    for (const double center : {0.3 * lattice_step(stddev), 17.25 * stddev}) {
      expect_gaussian<double>(stddev, center, draws() / 5);
      expect_gaussian<float>(stddev, static_cast<float>(center), draws() / 5);
    }
  }
}

std::vector<double> standard_noise(uint64_t seed, size_t n) {
  std::vector<double> values(n, 0.0);
  RandomStream random = RandomStream::for_tests(seed);
  add_lattice_gaussian(random, 1, std::span(values));
  return values;
}

// Sums of n products of independent standard normals, and of their squares less one (variance 4).
struct Products {
  double plain = 0, squares = 0;
  void add(double a, double b) {
    plain += a * b;
    squares += (a * a - 1) * (b * b - 1);
  }
  // 6.5 deviations: 1e-10 each.
  bool are_small(size_t n) const {
    const double deviation = std::sqrt(static_cast<double>(n));
    return std::abs(plain) < 6.5 * deviation && std::abs(squares) < 6.5 * 2 * deviation;
  }
};

TEST(LatticeStatistics, SerialIndependence) {
  const std::vector<double> values = standard_noise(18, 1000000);
  for (const size_t lag :
       {1u, 2u, 8u, 15u, 16u, 17u, 31u, 32u, 33u, 255u, 256u, 1008u, 1016u, 1024u, 2048u}) {
    Products products;
    for (size_t i = 0; i + lag < values.size(); ++i) products.add(values[i], values[i + lag]);
    EXPECT_TRUE(products.are_small(values.size() - lag)) << lag;
  }
}

// The 32 places of a group: lanes, and the two values of a pair.
TEST(LatticeStatistics, PlacesOfAGroupAreIndependent) {
  constexpr size_t kPlaces = 32, kGroups = 100000;
  const std::vector<double> values = standard_noise(19, kPlaces * kGroups);
  for (size_t a = 0; a < kPlaces; ++a) {
    for (size_t b = 0; b < a; ++b) {
      Products products;
      for (size_t group = 0; group < values.size(); group += kPlaces)
        products.add(values[group + a], values[group + b]);
      EXPECT_TRUE(products.are_small(kGroups)) << a << " " << b;
    }
  }
}

TEST(LatticeStatistics, ThreadsWithStreamsOfTheirOwnAreIndependentAndReproducible) {
  constexpr size_t kThreads = 4, kValues = 1 << 18;
  const auto noise = [](bool parallel) {
    RandomStream random = RandomStream::for_tests(20);
    std::vector<RandomStream> streams;
    for (size_t i = 0; i < kThreads; ++i) streams.push_back(random.split());
    std::vector<std::vector<double>> parts(kThreads, std::vector<double>(kValues));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      const auto work = [&, i] { add_lattice_gaussian(streams[i], 1, std::span(parts[i])); };
      if (parallel) {
        threads.emplace_back(work);
      } else {
        work();
      }
    }
    for (std::thread& thread : threads) thread.join();
    return parts;
  };
  const auto parts = noise(true);
  EXPECT_EQ(parts, noise(false));
  for (size_t a = 0; a < kThreads; ++a) {
    for (size_t b = 0; b < a; ++b) {
      Products products;
      for (size_t i = 0; i < kValues; ++i) products.add(parts[a][i], parts[b][i]);
      EXPECT_TRUE(products.are_small(kValues)) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace discreet
