#include "discreet/dp/draws.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Unit u has u % 3 + 1 rows, far from each other.
std::vector<int64_t> scattered_units(int64_t units) {
  std::vector<int64_t> unit_of_row;
  for (int64_t round = 0; round < 3; ++round)
    for (int64_t unit = 0; unit < units; ++unit)
      if (unit % 3 >= round) unit_of_row.push_back(1000 - 7 * unit);
  return unit_of_row;
}

// Statistical tests at 6 standard deviations. What is added up is close to normal; with the skewness that is
// left one comparison raises a false alarm less than once in 10^7 streams (and the seed is fixed).
constexpr double kBeyondChance = 6;

// The number of units in a draw is binomial: mean n q, variance n q (1 - q). A larger mean is more chances
// than were accounted for; a smaller variance means that units do not take part independently.
TEST(PoissonDraws, TheSizeOfADrawIsBinomial) {
  auto random = RandomStream::for_tests(1);
  constexpr int64_t kUnits = 100, kDraws = 5000;
  const auto unit_of_row = scattered_units(kUnits);
  const PoissonDraws rows(kUnits, {}), units(static_cast<int64_t>(unit_of_row.size()), unit_of_row);
  for (const PoissonDraws& draws : {rows, units}) {
    for (const double rate : {0.1, 0.5}) {
      const double mean = rate * kUnits, variance = mean * (1 - rate);
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < kDraws; ++i) {
        const auto size = static_cast<double>(draws.draw(random, rate, 1)[0].unit_starts.size());
        sum += size;
        squares += (size - mean) * (size - mean);
      }
      EXPECT_NEAR(sum / kDraws, mean, kBeyondChance * std::sqrt(variance / kDraws)) << rate;
      // The fourth central moment of a binomial less the square of its variance.
      const double spread = 2 * variance * variance + variance * (1 - 6 * rate * (1 - rate));
      EXPECT_NEAR(squares / kDraws, variance, kBeyondChance * std::sqrt(spread / kDraws)) << rate;
    }
  }
}

// Every unit has the same chance, whatever its number of rows and its place, and the same one in each draw,
// also behind a draw that it was in.
TEST(PoissonDraws, EachUnitIsDrawnAtTheRateAndDrawsAreIndependent) {
  auto random = RandomStream::for_tests(2);
  constexpr int64_t kUnits = 30, kDraws = 4000;
  constexpr double kRate = 0.2;
  const auto unit_of_row = scattered_units(kUnits);
  const PoissonDraws draws(static_cast<int64_t>(unit_of_row.size()), unit_of_row);
  std::map<int64_t, int64_t> drawn;
  std::vector<bool> before(1001, false);
  int64_t again = 0;
  for (int64_t i = 0; i < kDraws; ++i) {
    const DrawPiece piece = draws.draw(random, kRate, 1)[0];
    std::vector<bool> now(1001, false);
    for (const int64_t start : piece.unit_starts) {
      const int64_t unit = unit_of_row[piece.rows[start]];
      ++drawn[unit];
      again += before[unit];
      now[unit] = true;
    }
    before = now;
  }
  EXPECT_EQ(drawn.size(), static_cast<size_t>(kUnits));
  for (const auto& [unit, times] : drawn)
    EXPECT_NEAR(static_cast<double>(times), kDraws * kRate,
                kBeyondChance * std::sqrt(kDraws * kRate * (1 - kRate)))
        << unit;
  // Two neighbouring pairs of draws share a draw: q^2 (1 - q^2) + 2 q^3 (1 - q) is the variance of a term
  // with its covariances.
  constexpr double kPairs = static_cast<double>(kUnits) * (kDraws - 1);
  const double spread = kRate * kRate * (1 - kRate) * (1 + 3 * kRate);
  EXPECT_NEAR(static_cast<double>(again), kPairs * kRate * kRate, kBeyondChance * std::sqrt(kPairs * spread));
}

TEST(PoissonDraws, AUnitIsWholeAndInOnePieceOfItsDraw) {
  auto random = RandomStream::for_tests(3);
  const auto unit_of_row = scattered_units(20);
  std::map<int64_t, int64_t> rows_of;
  for (const int64_t unit : unit_of_row) ++rows_of[unit];
  const PoissonDraws draws(static_cast<int64_t>(unit_of_row.size()), unit_of_row);
  for (const int64_t pieces : {1, 3, 40}) {
    for (int i = 0; i < 50; ++i) {
      std::map<int64_t, int64_t> found;
      const auto parts = draws.draw(random, 0.5, pieces);
      ASSERT_EQ(static_cast<int64_t>(parts.size()), pieces);
      for (const DrawPiece& part : parts) {
        for (size_t u = 0; u < part.unit_starts.size(); ++u) {
          const auto last = u + 1 < part.unit_starts.size() ? part.unit_starts[u + 1]
                                                            : static_cast<int64_t>(part.rows.size());
          const int64_t unit = unit_of_row[part.rows[part.unit_starts[u]]];
          ASSERT_EQ(found.count(unit), 0u) << "a unit in two places";
          found[unit] = last - part.unit_starts[u];
          for (int64_t row = part.unit_starts[u]; row < last; ++row)
            ASSERT_EQ(unit_of_row[part.rows[row]], unit);
        }
      }
      for (const auto& [unit, count] : found) ASSERT_EQ(count, rows_of[unit]);
    }
  }
  EXPECT_THROW(PoissonDraws(3, {1, 2}), Error);
}

// Parts hold every unit once, with all its rows together; more parts than units leave some empty.
TEST(PoissonDraws, SharesHoldEachUnitOnce) {
  auto random = RandomStream::for_tests(9);
  const auto unit_of_row = scattered_units(20);
  const PoissonDraws all(static_cast<int64_t>(unit_of_row.size()), unit_of_row);
  for (const int64_t parts : {1, 3, 30}) {
    std::map<int64_t, int64_t> rows, part_of_unit;
    for (int64_t index = 0; index < parts; ++index) {
      const auto drawn = all.share(index, parts).draw(random, 1, 1);
      for (const int64_t row : drawn[0].rows) {
        ++rows[row];
        EXPECT_EQ(part_of_unit.emplace(unit_of_row[row], index).first->second, index);
      }
    }
    EXPECT_EQ(rows.size(), unit_of_row.size());
    for (const auto& [row, times] : rows) EXPECT_EQ(times, 1);
  }
}

}  // namespace
}  // namespace discreet
