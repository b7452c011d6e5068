#include "discreet/dp/clipped_mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kHardlyAny = 1e-6;  // noise multiplier

// Every unit of at most three rows of these values.
std::vector<std::vector<double>> odd_units() {
  const std::vector<double> odd = {-kInfinity, -2, 0.5, 3, 1e300, kInfinity, kMissing};
  std::vector<std::vector<double>> units = {{}};
  for (size_t first = 0; first < units.size() && units[first].size() < 3; ++first)
    for (const double value : odd) {
      auto longer = units[first];
      longer.push_back(value);
      units.push_back(longer);
    }
  return units;
}

ClippedMean::Cells cells_with(const ClippedMean& mean, const std::vector<double>& unit,
                              RandomStream& random) {
  std::vector<double> values = {1, -1, 5, 2};
  std::vector<int64_t> units = {0, 1, 2, 2};
  for (const double value : unit) {
    values.push_back(value);
    units.push_back(3);
  }
  return mean.cells(values, units, random);
}

// Under each relation no neighbour moves the cells further than the noise is scaled to, and some neighbour
// moves them as far. The distance that the accountant allows is stddev / noise_multiplier, twice that under
// replace-one; zero-out is against a unit of no rows.
TEST(MeanSensitivity, OfEveryOddUnitUnderEveryRelation) {
  const auto units = odd_units();
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    for (const std::optional<double> rows : {std::optional<double>(), std::optional<double>(7)}) {
      const ClippedMean mean({.lower = -2,
                              .upper = 3,
                              .max_rows_per_unit = 2,
                              .rows = rows,
                              .relation = relation,
                              .noise_multiplier = 4});
      auto random = RandomStream::for_tests(1);
      std::vector<ClippedMean::Cells> cells;
      for (const auto& unit : units) cells.push_back(cells_with(mean, unit, random));
      const bool replace = relation == Relation::kReplaceOne;
      double moved = 0;
      for (size_t i = 0; i < (replace ? cells.size() : 1); ++i)
        for (const auto& other : cells)
          moved = std::max(moved, std::hypot(static_cast<double>(cells[i].sum - other.sum),
                                             static_cast<double>(cells[i].rows - other.rows)));
      const double allowed = mean.stddev() / 4 * (replace ? 2 : 1);
      EXPECT_LE(moved, allowed);
      EXPECT_NEAR(moved, allowed, 1e-9 * allowed);
    }
  }
}

// 100 people at 0, and one with 10,000 rows far above the clip, of which 3 count.
TEST(Mean, AUnitOfManyRowsMovesItByAsManyAsAreAllowed) {
  std::vector<double> values(100, 0);
  std::vector<int64_t> units(100);
  for (size_t i = 0; i < 100; ++i) units[i] = static_cast<int64_t>(i);
  values.resize(10100, 1e300);
  units.resize(10100, 100);
  auto random = RandomStream::for_tests(1);
  ClippedMeanOptions options = {
      .lower = 0, .upper = 1, .max_rows_per_unit = 3, .noise_multiplier = kHardlyAny};
  const MeanEstimate counted = ClippedMean(options).estimate(values, units, random);
  EXPECT_NEAR(counted.mean, 3.0 / 103, 1e-6);
  EXPECT_NEAR(counted.rows, 103, 1e-3);
  options.rows = 300;
  // what is not there counts as the middle of the bounds
  EXPECT_NEAR(ClippedMean(options).estimate(values, units, random).mean, (3 + 197 * 0.5) / 300, 1e-6);
}

// The mean of clipped values by plain division, to 7 of the stated standard deviations (a chance of 3e-12 for
// each of 4,800 releases). Whether the stated deviation is right: the mean square of 400 is within 6 sqrt(2 /
// 400) of 1 but for a chance of 1e-7 in each of 12 cases.
TEST(Mean, IsTheExactOneToItsStatedError) {
  auto random = RandomStream::for_tests(2);
  std::vector<double> values(3000);
  for (double& value : values) value = 100 + 30 * std::log(static_cast<double>(random.next() | 1) * 0x1p-64);
  for (const auto& [lower, upper] : {std::pair(0.0, 100.0), std::pair(60.0, 90.0)}) {
    double sum = 0;
    for (const double value : values) sum += std::clamp(value, lower, upper);
    const double exact = sum / 3000;
    for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
      for (const std::optional<double> rows : {std::optional<double>(), std::optional<double>(3000)}) {
        const ClippedMean mean(
            {.lower = lower, .upper = upper, .rows = rows, .relation = relation, .noise_multiplier = 5});
        double squares = 0;
        for (int trial = 0; trial < 400; ++trial) {
          const MeanEstimate estimate = mean.estimate(values, {}, random);
          const double deviation = (estimate.mean - exact) / estimate.stddev;
          EXPECT_LT(std::abs(deviation), 7);
          squares += deviation * deviation;
        }
        EXPECT_NEAR(squares / 400, 1, 6 * std::sqrt(2.0 / 400));
      }
    }
  }
}

// The noise on both cells, read back from what is released: its mean square over 20,000 releases is within
// 5.5 sqrt(2 / 20000) of stddev^2 but for a chance of 4e-8 each. C is 2^20 for the sum alone, and
// sqrt(1 + 1/4) of it with the weight of the rows; 2 rows a unit.
TEST(Mean, RunsTheNoiseThatItsEventSays) {
  constexpr int kTrials = 20000;
  const double tolerance = 5.5 * std::sqrt(2.0 / kTrials);
  const std::vector<double> values(200, 5.0);  // the middle of the bounds: the sum is 0
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    for (const std::optional<double> declared : {std::optional<double>(), std::optional<double>(200)}) {
      const ClippedMean mean({.lower = 0,
                              .upper = 10,
                              .max_rows_per_unit = 2,
                              .rows = declared,
                              .relation = relation,
                              .noise_multiplier = 3});
      EXPECT_EQ(mean.event(), Event::gaussian(3));
      const bool alone = declared || relation == Relation::kReplaceOne;
      const double stddev = 3 * 2 * std::sqrt(alone ? 1.0 : 1.25);  // in units of 2^20
      auto random = RandomStream::for_tests(3);
      double of_sum = 0, of_rows = 0;
      for (int trial = 0; trial < kTrials; ++trial) {
        const MeanEstimate estimate = mean.estimate(values, {}, random);
        const double sum = (estimate.mean - 5) / 5 * estimate.rows, rows = (estimate.rows - 200) / 2;
        of_sum += sum * sum / (stddev * stddev);
        of_rows += rows * rows / (stddev * stddev);
      }
      EXPECT_NEAR(of_sum / kTrials, 1, tolerance);
      EXPECT_NEAR(of_rows / kTrials, declared ? 0 : 1, tolerance);
    }
  }
}

TEST(Mean, NamesTheOptionThatIsOutOfRange) {
  const auto refused = [](auto change, const std::string& field) {
    ClippedMeanOptions options = {.lower = 0, .upper = 1, .noise_multiplier = 1};
    change(options);
    try {
      ClippedMean mean(options);
      ADD_FAILURE() << field << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  };
  for (const double bad : {0.0, -1.0, kInfinity, kMissing}) refused([&](auto& o) { o.upper = bad; }, "upper");
  refused([](auto& o) { o.lower = 0, o.upper = std::numeric_limits<double>::denorm_min(); }, "lower");
  for (const double bad : {0.0, -5.0, kInfinity, kMissing}) refused([&](auto& o) { o.rows = bad; }, "rows");
  refused([](auto& o) { o.max_rows_per_unit = 0; }, "max_rows_per_unit");
  refused([](auto& o) { o.noise_multiplier = 0; }, "noise_multiplier");
}

}  // namespace
}  // namespace discreet
