#include "discreet/train/resumed_plan.h"

#include <gtest/gtest.h>

namespace discreet {
namespace {

TrainingPlan planned(double noise_multiplier = 1.5, int64_t steps = 100, double sample_rate = 0.1) {
  TrainingPlan training;
  training.plan.noise_multiplier = noise_multiplier;
  training.plan.steps = steps;
  training.plan.sample_rate = sample_rate;
  return training;
}

TEST(ResumedPlan, RoundingOfTheCalibrationIsNoOtherPlan) {
  TrainingPlan training = planned();
  EXPECT_TRUE(take_recorded_noise(training, planned().event()));
  const Event recorded = planned(1.5 * (1 + 1e-9)).event();
  ASSERT_FALSE(recorded == training.event());
  EXPECT_TRUE(take_recorded_noise(training, recorded));
  EXPECT_EQ(training.event(), recorded);  // what was charged is what goes on
}

TEST(ResumedPlan, MoreNoiseForTheSakeOfACapIsNoOtherPlan) {
  TrainingPlan training = planned();
  EXPECT_TRUE(take_recorded_noise(training, planned(3).event()));
  EXPECT_EQ(training.event(), planned(3).event());
}

// The event does not tell it, so nothing but the plan's own word may decide it.
TEST(ResumedPlan, TheWayOfClippingStays) {
  TrainingPlan training = planned();
  training.clipping = ClippingMode::kAdaptive;
  training.max_grad_norm = 0.25;
  EXPECT_TRUE(take_recorded_noise(training, planned(3).event()));
  EXPECT_EQ(training.clipping, ClippingMode::kAdaptive);
  EXPECT_EQ(training.max_grad_norm, 0.25);
}

TEST(ResumedPlan, AnythingElseIs) {
  for (const Event& recorded :
       {planned(1.5 * (1 - 1e-5)).event(), planned(1.5, 101).event(), planned(1.5, 100, 0.11).event(),
        Event::gaussian(1.5), Event::repeated(Event::gaussian(1.5), 100),
        Event::repeated(Event::poisson_sampled(0.1, Event::discrete_gaussian(1.5)), 100)}) {
    TrainingPlan training = planned();
    EXPECT_FALSE(take_recorded_noise(training, recorded)) << recorded.to_json();
    EXPECT_EQ(training.event(), planned().event());
  }
}

}  // namespace
}  // namespace discreet
