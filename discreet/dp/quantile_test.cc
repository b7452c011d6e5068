#include "discreet/dp/quantile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "discreet/base/error.h"
#include "discreet/dp/bounded_rows.h"

namespace discreet {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

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

// What every cell is short by with three base units and one more, of which two rows count.
std::vector<int64_t> short_with(const Quantile& quantile, const std::vector<double>& unit,
                                RandomStream& random) {
  std::vector<double> values = {1, 2, 5, 2};
  std::vector<int64_t> units = {0, 1, 2, 2};
  for (const double value : unit) {
    values.push_back(value);
    units.push_back(3);
  }
  std::vector<double> rows = bounded_rows(values, units, 2, random);
  std::sort(rows.begin(), rows.end());
  std::vector<int64_t> cells;
  for (int64_t cell = 0; cell < 8; ++cell) cells.push_back(quantile.short_by(rows, cell));
  return cells;
}

// The logarithms of the probabilities of the cells.
std::vector<double> log_probabilities(const Quantile& quantile, const std::vector<int64_t>& cells) {
  std::vector<double> logs;
  double sum = 0;
  for (const int64_t cell : cells) {
    logs.push_back(static_cast<double>(cell) * std::log1p(-quantile.stop_probability()));
    sum += std::exp(logs.back());
  }
  for (double& log : logs) log -= std::log(sum);
  return logs;
}

// Under each relation, for every pair of neighbours: the privacy losses of all cells lie within a range of
// the charged epsilon, twice that under replace-one (what the accountant takes an exponential mechanism for);
// and some pair comes near it. zero-out is against a unit of no rows.
TEST(QuantileSensitivity, OfEveryOddUnitUnderEveryRelation) {
  const auto units = odd_units();
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    for (const double share : {0.1, 0.5, 0.75}) {
      const Quantile quantile({.share = share,
                               .lower = 0,
                               .upper = 8,
                               .levels = 3,
                               .max_rows_per_unit = 2,
                               .relation = relation,
                               .epsilon = 0.7});
      auto random = RandomStream::for_tests(1);
      std::vector<std::vector<double>> logs;
      for (const auto& unit : units)
        logs.push_back(log_probabilities(quantile, short_with(quantile, unit, random)));
      const bool replace = relation == Relation::kReplaceOne;
      const double allowed = replace ? 1.4 : 0.7;
      double most = 0;
      for (size_t i = 0; i < (replace ? logs.size() : 1); ++i)
        for (const auto& other : logs) {
          double least_loss = kInfinity, most_loss = -kInfinity;
          for (size_t cell = 0; cell < other.size(); ++cell) {
            least_loss = std::min(least_loss, logs[i][cell] - other[cell]);
            most_loss = std::max(most_loss, logs[i][cell] - other[cell]);
          }
          most = std::max(most, most_loss - least_loss);
        }
      EXPECT_LE(most, allowed);
      EXPECT_GT(most, 0.45 * allowed);
    }
  }
}

// 101 people with the values 0 to 100, and one more with 10,000 rows of an outlier, of which 5 count: half of
// them move the median, to 52 or 53.
TEST(Quantile, AUnitOfManyRowsMovesItByAsManyAsAreAllowed) {
  for (const double outlier : {1e9, -1e9, kInfinity, -kInfinity, 100.0}) {
    std::vector<double> values(101);
    std::vector<int64_t> units(101);
    for (int i = 0; i <= 100; ++i) values[static_cast<size_t>(i)] = units[static_cast<size_t>(i)] = i;
    values.resize(10101, outlier);
    units.resize(10101, 101);
    auto random = RandomStream::for_tests(1);
    const Quantile quantile(
        {.lower = -0.5, .upper = 127.5, .levels = 7, .max_rows_per_unit = 5, .epsilon = 1000});
    EXPECT_NEAR(quantile.estimate(values, units, random), 50, 3) << outlier;
  }
}

// rank_error(1e-8) fails in any of the 15 cases with probability below 2e-7. The cell is one of 2^16.
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
      const Quantile quantile(
          {.share = share, .lower = 0, .upper = 100, .relation = relation, .epsilon = 0.5});
      const double error = quantile.rank_error(1e-8);
      EXPECT_LT(error, 120);
      const double found = quantile.estimate(values, {}, random), half_cell = 50 * 0x1p-16;
      const double target = share * kRows;
      const auto below = [&](double value) {
        return static_cast<double>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
      };
      EXPECT_LE(below(found - half_cell), target + error) << share;
      EXPECT_GE(below(found + half_cell), target - error) << share;
    }
  }
}

// Every cell is as frequent as the definition says, e^(epsilon u / 2) with u in rows over C: C is the larger
// of share and 1 - share for each of 3 rows, half a row under replace-one. A share p of 100,000 is within 6
// sqrt(p / 100000) but for a chance of 2e-9 in each of 24 cases.
TEST(Quantile, RunsTheMechanismThatItsEventSays) {
  constexpr int64_t kTrials = 100000;
  const std::vector<double> values = {-kInfinity, 0.5, 1, 1, 1.5, 3.5, 4, 5.5, 6.5, 6.5, kInfinity};
  constexpr double kShare = 0.7, kEpsilon = 2;
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    const Quantile quantile({.share = kShare,
                             .lower = 0,
                             .upper = 8,
                             .levels = 3,
                             .max_rows_per_unit = 3,
                             .relation = relation,
                             .epsilon = kEpsilon});
    EXPECT_EQ(quantile.event(), Event::exponential_mechanism(kEpsilon));
    const double c = 3 * (relation == Relation::kReplaceOne ? 0.5 : 0.7);
    std::vector<double> expected(8), found(8, 0);
    double sum = 0;
    for (int cell = 0; cell < 8; ++cell) {
      double below_start = 0, below_end = 0;
      for (const double value : values) {
        below_start += cell > 0 && value < cell;
        below_end += cell == 7 || value < cell + 1;
      }
      const double target = kShare * static_cast<double>(values.size());
      const double rows = std::max({0.0, below_start - target, target - below_end});
      sum += expected[static_cast<size_t>(cell)] = std::exp(-kEpsilon * rows / c / 2);
    }
    auto random = RandomStream::for_tests(3);
    for (int64_t trial = 0; trial < kTrials; ++trial)
      found[static_cast<size_t>(quantile.estimate(values, {}, random))] += 1.0 / kTrials;
    for (size_t cell = 0; cell < 8; ++cell) {
      const double p = expected[cell] / sum;
      EXPECT_NEAR(found[cell], p, 6 * std::sqrt(p / kTrials)) << cell;
    }
  }
}

TEST(Quantile, NamesTheOptionThatIsOutOfRange) {
  const auto refused = [](auto change, const std::string& field) {
    QuantileOptions options = {.lower = 0, .upper = 1, .epsilon = 1};
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
  for (const int bad : {0, 21}) refused([&](auto& o) { o.levels = bad; }, "levels");
  for (const int bad : {0, 1000001})
    refused([&](auto& o) { o.max_rows_per_unit = bad; }, "max_rows_per_unit");
  for (const double bad : {0.0, kInfinity, kMissing}) refused([&](auto& o) { o.epsilon = bad; }, "epsilon");
  const Quantile quantile({.lower = 2, .upper = 3, .epsilon = 1});
  EXPECT_THROW(quantile.rank_error(0), Error);
  auto random = RandomStream::for_tests(4);
  EXPECT_NEAR(quantile.estimate({}, {}, random), 2.5, 0.5);  // of no rows: any cell
}

}  // namespace
}  // namespace discreet
