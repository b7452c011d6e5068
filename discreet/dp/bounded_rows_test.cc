#include "discreet/dp/bounded_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Unit 7 has five values and a missing one; two are kept, each pair with probability 1/10. A share of 20,000
// has a standard deviation of 0.0021: 0.0125 is 5.9 of them, a chance of 4e-9 each (and the seed is fixed).
TEST(BoundedRows, EveryChoiceIsAsLikely) {
  const std::vector<double> values = {1, 100, 2, 3, kMissing, 4, 200, 5};
  const std::vector<int64_t> units = {7, 3, 7, 7, 7, 7, 9, 7};
  auto random = RandomStream::for_tests(1);
  std::map<std::vector<double>, int> found;
  constexpr int kTrials = 20000;
  for (int trial = 0; trial < kTrials; ++trial) {
    auto rows = bounded_rows(values, units, 2, random);
    std::sort(rows.begin(), rows.end());
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows[2], 100);
    EXPECT_EQ(rows[3], 200);
    ++found[{rows[0], rows[1]}];
  }
  EXPECT_EQ(found.size(), 10u);
  for (const auto& [pair, count] : found) EXPECT_NEAR(count, 0.1 * kTrials, 0.0125 * kTrials);
}

TEST(BoundedRows, WithoutUnitsEveryRowIsOne) {
  auto random = RandomStream::for_tests(1);
  const std::vector<double> values = {3, kMissing, 1, 3};
  EXPECT_EQ(bounded_rows(values, {}, 1, random), (std::vector<double>{3, 1, 3}));
  EXPECT_TRUE(bounded_rows({}, {}, 1, random).empty());
  EXPECT_THROW(bounded_rows(values, std::vector<int64_t>{1, 2}, 1, random), Error);
}

}  // namespace
}  // namespace discreet
