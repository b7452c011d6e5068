#include "discreet/dp/quantile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/dp/bounded_rows.h"

namespace discreet {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kHardlyAny = 1e-6;  // noise multiplier

// Every unit of at most three rows of these values.
std::vector<std::vector<double>> odd_units() {
  const std::vector<double> odd = {-kInfinity, -1e300, 2, 3, 1e300, kInfinity, kMissing};
  std::vector<std::vector<double>> units = {{}};
  for (size_t first = 0; first < units.size() && units[first].size() < 3; ++first)
    for (const double value : odd) {
      auto longer = units[first];
      longer.push_back(value);
      units.push_back(longer);
    }
  return units;
}

// What the statistic adds up over three base units and one more.
double sum_with(const Quantile& quantile, const std::vector<double>& unit, RandomStream& random) {
  std::vector<double> values = {1, 2, 5, 2};
  std::vector<int64_t> units = {0, 1, 2, 2};
  for (const double value : unit) {
    values.push_back(value);
    units.push_back(3);
  }
  return static_cast<double>(quantile.surplus_below(bounded_rows(values, units, 2, random), 3));
}

// Under each relation no neighbour moves the sum further than the noise is scaled to, and some neighbour
// moves it as far. The distance that the accountant allows is stddev / noise_multiplier, twice that under
// replace-one; zero-out is against a unit of no rows.
TEST(QuantileSensitivity, OfEveryOddUnitUnderEveryRelation) {
  const auto units = odd_units();
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    for (const double share : {0.1, 0.5, 0.75}) {
      const Quantile quantile({.share = share,
                               .lower = 0,
                               .upper = 10,
                               .max_rows_per_unit = 2,
                               .relation = relation,
                               .noise_multiplier = 4});
      auto random = RandomStream::for_tests(1);
      std::vector<double> sums;
      for (const auto& unit : units) sums.push_back(sum_with(quantile, unit, random));
      const auto [least, most] = std::minmax_element(sums.begin(), sums.end());
      const bool replace = relation == Relation::kReplaceOne;
      const double moved = replace ? *most - *least : std::max(*most - sums[0], sums[0] - *least);
      const double allowed = quantile.stddev() / 4 * (replace ? 2 : 1);
      EXPECT_LE(moved, allowed);
      EXPECT_NEAR(moved, allowed, 1e-9 * allowed);
    }
  }
}

// 101 people with the values 0 to 100, and one more with 10,000 rows of an outlier, of which 5 count.
TEST(Quantile, AUnitOfManyRowsMovesItByAsManyAsAreAllowed) {
  for (const double outlier : {1e9, -1e9, kInfinity, -kInfinity, 100.0}) {
    std::vector<double> values(101);
    std::vector<int64_t> units(101);
    for (int i = 0; i <= 100; ++i) values[static_cast<size_t>(i)] = units[static_cast<size_t>(i)] = i;
    values.resize(10101, outlier);
    units.resize(10101, 101);
    auto random = RandomStream::for_tests(1);
    const Quantile quantile(
        {.lower = -0.5, .upper = 127.5, .levels = 7, .max_rows_per_unit = 5, .noise_multiplier = kHardlyAny});
    EXPECT_NEAR(quantile.estimate(values, units, random), 50, 2.5) << outlier;
  }
}

// rank_error(1e-8) fails in any of the 15 cases with probability below 2e-7. The cell is one of 2^20.
TEST(Quantile, IsTheExactOneToItsRankError) {
  constexpr int64_t kRows = 20000;
  auto random = RandomStream::for_tests(2);
  std::vector<double> values(kRows);
  for (double& value : values) {
    const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-53;
    value = std::exp(4 * uniform * uniform);
  }
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  values.push_back(kMissing);
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99}) {
      const Quantile quantile({.share = share,
                               .lower = 0,
                               .upper = 100,
                               .levels = 20,
                               .relation = relation,
                               .noise_multiplier = 20});
      const double error = quantile.rank_error(1e-8);
      EXPECT_LT(error, 150);
      const double found = quantile.estimate(values, {}, random), half_cell = 50 * 0x1p-20;
      const double target = share * kRows;
      const auto below = [&](double value) {
        return static_cast<double>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
      };
      EXPECT_LE(below(found - half_cell), target + error) << share;
      EXPECT_GE(below(found + half_cell), target - error) << share;
    }
  }
}

// One step at a point where the sum is one standard deviation of the noise: it is found positive with
// probability Phi(1). A share of 100,000 has a standard deviation of 0.00116: 0.007 is 6 of them, a chance of
// 2e-9 for each relation. The event is that noise, once a level.
TEST(Quantile, RunsTheNoiseThatItsEventSays) {
  constexpr int64_t kTrials = 100000;
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    const QuantileOptions options = {.lower = 0,
                                     .upper = 2,
                                     .levels = 1,
                                     .max_rows_per_unit = 3,
                                     .relation = relation,
                                     .noise_multiplier = 4};
    const Quantile quantile(options);
    // 12 standard deviations of half a row each: C is half a row for the median, times 3 rows, times 4.
    std::vector<double> values(12, 0.5);
    auto random = RandomStream::for_tests(3);
    int64_t below = 0;
    for (int64_t trial = 0; trial < kTrials; ++trial) below += quantile.estimate(values, {}, random) == 0.5;
    const double expected = 0.5 * std::erfc(-1 / std::numbers::sqrt2);
    EXPECT_NEAR(static_cast<double>(below) / kTrials, expected, 0.007);
  }
  const Quantile quantile({.lower = 0, .upper = 1, .levels = 16, .noise_multiplier = 4});
  EXPECT_EQ(quantile.event(), Event::repeated(Event::gaussian(4), 16));
  EXPECT_NEAR(rdp_epsilon(quantile.event(), Relation::kReplaceOne, 1e-6),
              rdp_epsilon(Event::gaussian(1), Relation::kReplaceOne, 1e-6), 1e-9);
}

TEST(Quantile, NamesTheOptionThatIsOutOfRange) {
  const auto refused = [](auto change, const std::string& field) {
    QuantileOptions options = {.lower = 0, .upper = 1, .noise_multiplier = 1};
    change(options);
    try {
      Quantile quantile(options);
      ADD_FAILURE() << field << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  };
  for (const double bad : {0.0, 1.0, -1.0, kMissing}) refused([&](auto& o) { o.share = bad; }, "share");
  for (const double bad : {0.0, -1.0, kInfinity, kMissing}) refused([&](auto& o) { o.upper = bad; }, "upper");
  refused([](auto& o) { o.lower = -1e308, o.upper = 1e308; }, "lower");
  for (const int bad : {0, 41}) refused([&](auto& o) { o.levels = bad; }, "levels");
  for (const int bad : {0, 1000001})
    refused([&](auto& o) { o.max_rows_per_unit = bad; }, "max_rows_per_unit");
  for (const double bad : {0.0, kInfinity, kMissing})
    refused([&](auto& o) { o.noise_multiplier = bad; }, "noise_multiplier");
  const Quantile quantile({.lower = 0, .upper = 1, .noise_multiplier = 1});
  EXPECT_THROW(quantile.rank_error(0), Error);
}

}  // namespace
}  // namespace discreet
