#include "discreet/data/number_grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace discreet {
namespace {

TEST(NumberGrid, LeavesAscendAndHoldTheirNumbers) {
  for (const auto grid : {NumberGrid::kNumbers, NumberGrid::kDates}) {
    for (int64_t leaf = 0; leaf < kGridLeaves; ++leaf) {
      const double low = leaf_start(grid, leaf), high = leaf_start(grid, leaf + 1);
      ASSERT_LT(low, high) << leaf;
      ASSERT_EQ(leaf_of(grid, (low + high) / 2), leaf);
    }
    EXPECT_EQ(leaf_of(grid, 1e300), kGridLeaves - 1);
    EXPECT_EQ(leaf_of(grid, -1e300), 0);
  }
}

TEST(NumberGrid, IsFineWhereNumbersAre) {
  EXPECT_EQ(leaf_start(NumberGrid::kNumbers, leaf_of(NumberGrid::kNumbers, 0)), 0);
  for (int whole = 1; whole <= 1024; ++whole) {
    EXPECT_EQ(leaf_start(NumberGrid::kNumbers, leaf_of(NumberGrid::kNumbers, whole)), whole);
  }
  for (double value = 1e-6; value < 8e12; value *= 1.37) {
    const int64_t leaf = leaf_of(NumberGrid::kNumbers, value);
    const double width = leaf_start(NumberGrid::kNumbers, leaf + 1) - leaf_start(NumberGrid::kNumbers, leaf);
    EXPECT_LE(width, 0.002 * value) << value;
    EXPECT_EQ(leaf_of(NumberGrid::kNumbers, -value), kGridLeaves - 1 - leaf);
  }
  EXPECT_EQ(leaf_start(NumberGrid::kDates, leaf_of(NumberGrid::kDates, 11017.75)), 11017);
}

TEST(NumberGrid, NodesAreAncestors) {
  const int64_t leaf = 0xABCD;
  EXPECT_EQ(node_of(leaf, 1), 0xA);
  EXPECT_EQ(node_of(leaf, 3), 0xABC);
  EXPECT_EQ(node_of(leaf, 4), leaf);
}

// A tree of exact counts plus rounded Gaussian noise from a fixed seed.
struct TestTree {
  TestTree(const std::vector<double>& values, double noise, uint64_t seed,
           NumberGrid grid = NumberGrid::kNumbers)
      : generator(seed) {
    for (double value : values) {
      for (int level = 1; level <= kGridLevels; ++level)
        ++counts[{level, node_of(leaf_of(grid, value), level)}];
    }
    std::normal_distribution<double> normal(0, 1);
    tree = {grid,
            [this, noise, normal](int level, int64_t node) mutable {
              return counts[{level, node}] + noise * normal(generator);
            },
            static_cast<double>(values.size()) + noise, noise};
  }
  std::map<std::pair<int, int64_t>, double> counts;
  std::mt19937_64 generator;
  NoisyTree tree;
};

std::vector<double> ages(int count) {
  std::mt19937_64 generator(7);
  std::gamma_distribution<double> gamma(6, 4);
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(17 + std::floor(gamma(generator)));
  return out;
}

double rank(const std::vector<double>& values, double value) {
  return static_cast<double>(
             std::count_if(values.begin(), values.end(), [&](double v) { return v < value; })) /
         static_cast<double>(values.size());
}

// Fixed seeds, so deterministic. A quantile's rank is off by the noise of the few nodes beside its path, and
// by the dropped children: 2 to 3 standard deviations of a count are usual.
TEST(Knots, HaveTheRanksThatTheyShould) {
  std::vector<double> values = ages(30000);
  std::mt19937_64 generator(8);
  for (double& value : values) value += std::uniform_real_distribution<double>(0, 1)(generator);  // no ties
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (double noise : {1.0, 100.0, 400.0}) {
      TestTree test(values, noise, seed);
      const auto density = read_density(test.tree);
      for (double share : {0.25, 0.5, 0.75}) {
        EXPECT_NEAR(rank(values, density.quantile(share)), share, 0.02 + 7 * noise / 30000) << noise;
      }
    }
  }
}

TEST(Knots, ACommonValueGetsItsOwnCorners) {
  auto values = ages(5000);
  values.insert(values.end(), 25000, 0.0);
  TestTree test(values, 50, 1);
  const auto knots = read_knots(read_density(test.tree));
  EXPECT_EQ(knots[0], 0);
  EXPECT_LT(knots[1], 1e-8);
  EXPECT_GE(std::count_if(knots.begin(), knots.end(), [](double k) { return k > 17 && k < 100; }), 8);
  EXPECT_TRUE(std::is_sorted(knots.begin(), knots.end()));
}

TEST(Knots, AConstantColumnHasACornerOnEachSide) {
  TestTree test(std::vector<double>(1000, 42.0), 0, 1);
  EXPECT_EQ(read_knots(read_density(test.tree)), (std::vector<double>{42, 42.0625}));
}

TEST(Knots, NothingIsReadOutOfPureNoise) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    TestTree test({}, 100, seed);
    EXPECT_TRUE(read_knots(read_density(test.tree)).empty());
    EXPECT_FALSE(read_range(test.tree));
  }
}

// A spurious corner far away would flatten the outer pieces. 100 fixed seeds.
TEST(Knots, NoiseAddsNoCornerFarFromTheData) {
  const auto values = ages(3000);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    TestTree test(values, 30, seed);
    const auto knots = read_knots(read_density(test.tree));
    EXPECT_GE(knots.front(), 0) << seed;
    EXPECT_LE(knots.back(), 1024) << seed;
  }
}

TEST(Knots, ASingleOutlierMovesNothingFar) {
  auto values = ages(30000);
  values.push_back(1e12);
  TestTree test(values, 100, 3);
  EXPECT_LT(read_knots(read_density(test.tree)).back(), 200);
}

TEST(Knots, DatesToTheDay) {
  std::vector<double> values;
  for (int day = 0; day < 20000; ++day) values.push_back(18000 + day % 1000);
  TestTree test(values, 50, 1, NumberGrid::kDates);
  const auto range = read_range(test.tree);
  ASSERT_TRUE(range);
  EXPECT_NEAR(range->first, 18000, 60);
  EXPECT_NEAR(range->second, 19000, 60);
}

double inside(const std::vector<double>& values, const std::pair<double, double>& range) {
  return rank(values, std::nextafter(range.second, 1e300)) - rank(values, range.first);
}

// Rows between 340 and 5500, which lie on both sides of a node's border at 2048: whatever the noise, a range
// that misses most of them is not given; with enough rows, one always is, and it is not much wider than they
// are. 1,800 fixed seeds.
TEST(Range, IsRefusedWhereItWouldMissTheData) {
  std::mt19937_64 generator(9);
  std::uniform_real_distribution<double> uniform(340, 5500);
  std::vector<double> values;
  for (int i = 0; i < 550; ++i) values.push_back(uniform(generator));
  for (const double rows_in_noise : {1.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 40.0, 100.0}) {
    int given = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      TestTree test(values, 550 / rows_in_noise, seed);
      const auto range = read_range(test.tree);
      if (!range) continue;
      ++given;
      EXPECT_GT(inside(values, *range), rows_in_noise < 40 ? 0.5 : 0.85) << rows_in_noise << " " << seed;
      EXPECT_LT(range->second - range->first, 6 * 5160) << rows_in_noise << " " << seed;
      EXPECT_GE(range->first, 0) << "all numbers are positive";
    }
    EXPECT_LE(given, rows_in_noise < 6 ? 0 : 200) << rows_in_noise;
    EXPECT_GE(given, rows_in_noise < 40 ? 0 : 196) << rows_in_noise;
  }
}

// What the noise makes far away does not stretch the range, though it is more than one part in a hundred.
TEST(Range, NoiseFarAwayIsNotInIt) {
  std::mt19937_64 generator(10);
  std::normal_distribution<double> weight(3360, 580);
  std::vector<double> values;
  for (int i = 0; i < 3700; ++i) values.push_back(weight(generator));
  for (uint64_t seed = 0; seed < 300; ++seed) {
    TestTree test(values, 92.5, seed);
    const auto range = read_range(test.tree);
    if (!range) continue;
    EXPECT_GT(inside(values, *range), 0.8) << seed;
    EXPECT_LT(range->second, 16384) << seed;
  }
}

TEST(Range, OfManyRowsIsBetweenTheOutermostHundredths) {
  std::mt19937_64 generator(11);
  std::normal_distribution<double> normal(-50, 10);
  std::vector<double> values;
  for (int i = 0; i < 50000; ++i) values.push_back(normal(generator));
  TestTree test(values, 20, 1);
  const auto range = read_range(test.tree);
  ASSERT_TRUE(range);
  EXPECT_NEAR(range->first, -73.26, 1.5);  // normal quantiles at 1 and 99 %
  EXPECT_NEAR(range->second, -26.74, 1.5);
}

TEST(Knots, FixedOnesAscend) {
  for (const auto grid : {NumberGrid::kNumbers, NumberGrid::kDates}) {
    const auto knots = fixed_knots(grid);
    EXPECT_GE(knots.size(), 2u);
    EXPECT_TRUE(std::is_sorted(knots.begin(), knots.end()));
  }
}

}  // namespace
}  // namespace discreet
