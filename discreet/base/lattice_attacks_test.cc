// Two published attacks on Gaussian noise in floating point. Each must succeed against a naive sampler, so
// that we know that the attack works, and be at chance against ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "discreet/base/lattice_gaussian.h"

namespace discreet {
namespace {

// A uniform double in (0, 1) on the grid of 2^-53, as in common libraries.
double grid_uniform(RandomStream& random) {
  return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1p-53;
}

void naive_pair(double u, double v, double noise[2]) {
  const double radius = std::sqrt(-2 * std::log(u));
  noise[0] = radius * std::cos(2 * std::numbers::pi * v);
  noise[1] = radius * std::sin(2 * std::numbers::pi * v);
}

using Mechanism = std::function<void(std::vector<double>&)>;  // adds noise of standard deviation 1

Mechanism naive(RandomStream& random) {
  return [&](std::vector<double>& values) {
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      double noise[2];
      naive_pair(grid_uniform(random), grid_uniform(random), noise);
      values[i] += noise[0];
      values[i + 1] += noise[1];
    }
  };
}

Mechanism ours(RandomStream& random) {
  return [&](std::vector<double>& values) { add_lattice_gaussian(random, 1, std::span(values)); };
}

constexpr size_t kReleases = 20000;

// Difference of two frequencies out of n each: deviation at most sqrt(1 / (2 n)); 6.5 of these, 1e-10.
const double kChance = 6.5 * std::sqrt(1. / (2 * kReleases));

// Haney, Desfontaines, Hartman, Shrestha, Hay, "Precision-based attacks and interval refining" (2022): the
// value decides how fine the sum's last bits can be. The best advantage over all grids 2^-k of telling 0 from
// 1 by whether the release lies on the grid. k >= 4: on these the ideal Gaussian's advantage is below exp(-2
// pi^2 16^2).
double precision_advantage(const Mechanism& add_noise) {
  std::vector<double> zero(kReleases, 0.0), one(kReleases, 1.0);
  add_noise(zero);
  add_noise(one);
  double best = 0;
  for (int k = 4; k <= 70; ++k) {
    const auto on_grid = [&](double release) { return std::remainder(release, std::ldexp(1.0, -k)) == 0; };
    const auto zeros = std::count_if(zero.begin(), zero.end(), on_grid);
    const auto ones = std::count_if(one.begin(), one.end(), on_grid);
    best = std::max(best, std::abs(static_cast<double>(zeros - ones)) / kReleases);
  }
  return best;
}

TEST(LatticeAttacks, PrecisionTellsTheValueFromANaiveSamplerOnly) {
  RandomStream random = RandomStream::for_tests(1);
  EXPECT_GT(precision_advantage(naive(random)), 0.2);
  EXPECT_LT(precision_advantage(ours(random)), kChance);
}

// Jin, McMurtry, Rubinstein, Ohrimenko, "Are We There Yet? Timing and Floating-Point Attacks on Differential
// Privacy Systems" (arXiv 2112.05307), the attack on Box-Muller: two releases minus the guessed values are a
// pair of the naive sampler only if uniforms of its grid give exactly these doubles. Searched around the real
// solution.
bool is_feasible(double first, double second) {
  double angle = std::atan2(second, first) / (2 * std::numbers::pi);
  if (angle < 0) angle += 1;
  const double u = std::exp(-(first * first + second * second) / 2);
  const double u_grid = std::floor(u * 0x1p53), v_grid = std::floor(angle * 0x1p53);
  for (int i = -12; i <= 12; ++i) {
    for (int j = -12; j <= 12; ++j) {
      double noise[2];
      naive_pair((u_grid + i + 0.5) * 0x1p-53, (v_grid + j + 0.5) * 0x1p-53, noise);
      if (noise[0] == first && noise[1] == second) return true;
    }
  }
  return false;
}

// The values 0 and 2^-20 of standard deviation 1: the ideal mechanism's advantage is below 1e-6 a release.
double feasibility_advantage(const Mechanism& add_noise) {
  constexpr size_t kPairs = 2000;
  int64_t feasible[2] = {0, 0};
  for (const int which : {0, 1}) {
    std::vector<double> releases(2 * kPairs, which * 0x1p-20);
    add_noise(releases);
    for (size_t i = 0; i < releases.size(); i += 2)
      feasible[which] += is_feasible(releases[i], releases[i + 1]);
  }
  return std::abs(static_cast<double>(feasible[0] - feasible[1])) / kPairs;
}

TEST(LatticeAttacks, FeasiblePairsTellTheValueFromANaiveSamplerOnly) {
  RandomStream random = RandomStream::for_tests(2);
  EXPECT_GT(feasibility_advantage(naive(random)), 0.3);
  EXPECT_LT(feasibility_advantage(ours(random)), 6.5 * std::sqrt(1. / 4000));
}

}  // namespace
}  // namespace discreet
