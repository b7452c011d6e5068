#include "discreet/dp/noisy_counts.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

// |v| <= sqrt(S) for the vector of one unit, and the accountant takes noise_multiplier relative to C where
// neighbours differ by at most C, or 2 C under replace-one. There they differ by at most sqrt(2 S), so C may
// be sqrt(S / 2); under zero-out by v itself, so C is sqrt(S), as under add-or-remove-one.
TEST(CountMechanism, NoiseIsWhatTheRelationTakes) {
  constexpr double kGrid = 0x1p-10;  // stddev is rounded up to it
  for (const double multiplier : {0.3, 1.0, 41.0023}) {
    for (const int64_t squared : {1, 2, 95, 125}) {
      const auto stddev = [&](Relation relation) {
        return CountMechanism({relation, multiplier, 1e-6}, squared, true).stddev();
      };
      const double full = multiplier * std::sqrt(static_cast<double>(squared));
      EXPECT_GE(stddev(Relation::kAddOrRemoveOne), full);
      EXPECT_LE(stddev(Relation::kAddOrRemoveOne), full * (1 + 1e-9) + kGrid);
      EXPECT_EQ(stddev(Relation::kZeroOut), stddev(Relation::kAddOrRemoveOne));
      EXPECT_GE(stddev(Relation::kReplaceOne), full * std::sqrt(0.5));
      EXPECT_LE(stddev(Relation::kReplaceOne), full * std::sqrt(0.5) * (1 + 1e-9) + kGrid);
    }
  }
}

}  // namespace
}  // namespace discreet
