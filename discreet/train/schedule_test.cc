#include "discreet/train/schedule.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

TEST(Schedule, EveryFactorIsBetweenZeroAndOneWhereStepsAreTaken) {
  for (const Schedule& schedule : schedules()) {
    for (int step = 0; step < 100; ++step) {
      const double factor = schedule.factor(step / 100.0);
      EXPECT_GT(factor, 0.0) << schedule.name << " at " << step;
      EXPECT_LE(factor, 1.0) << schedule.name << " at " << step;
    }
  }
}

TEST(Schedule, ShapesAreTheNamedOnes) {
  EXPECT_DOUBLE_EQ(find_schedule("linear").factor(0.25), 0.75);
  EXPECT_NEAR(find_schedule("cosine").factor(0.5), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(find_schedule("constant").factor(0.9), 1.0);
  EXPECT_DOUBLE_EQ(find_schedule("warm-up").factor(0.1), 1.0);
  EXPECT_THROW(find_schedule("plateau"), Error);
}

}  // namespace
}  // namespace discreet
