#include "discreet/train/engine_options.h"

#include <gtest/gtest.h>

namespace discreet {
namespace {

TrainingPlan planned(ClippingMode clipping, int64_t batch_size = 200, double noise_multiplier = 4) {
  TrainingPlan training;
  training.plan.batch_size = batch_size;
  training.plan.sample_size = 1000;
  training.plan.noise_multiplier = noise_multiplier;
  training.clipping = clipping;
  training.max_grad_norm = 0.5;
  return training;
}

TEST(EngineOptions, AreThePlans) {
  for (const ClippingMode mode :
       {ClippingMode::kFlat, ClippingMode::kPerLayer, ClippingMode::kNormalised, ClippingMode::kAdaptive}) {
    const PrivacyOptions options = engine_options(planned(mode), Relation::kReplaceOne);
    EXPECT_EQ(options.batch_size, 200);
    EXPECT_EQ(options.sample_size, 1000);
    EXPECT_EQ(options.noise_multiplier, 4);
    EXPECT_EQ(options.max_grad_norm, 0.5);
    EXPECT_EQ(options.relation, Relation::kReplaceOne);
    EXPECT_EQ(options.clipping.style == Clipping::Style::kPerLayer, mode == ClippingMode::kPerLayer);
    EXPECT_EQ(options.clipping.normalise, mode == ClippingMode::kNormalised);
    EXPECT_EQ(options.adaptive_clipping.has_value(), mode == ClippingMode::kAdaptive);
  }
}

// A count's noise of half the noise multiplier or less would cost more than the event says, which the engine
// refuses; here that would come after the statistics were charged.
TEST(EngineOptions, TheCountNeverCostsMoreThanAThirdMoreVariance) {
  for (const int64_t batch_size : {1, 60, 200, 5000})
    for (const double noise : {0.3, 1.0, 10.0, 300.0}) {
      const PrivacyOptions options =
          engine_options(planned(ClippingMode::kAdaptive, batch_size, noise), Relation::kAddOrRemoveOne);
      const AdaptiveClip clip(*options.adaptive_clipping, noise, static_cast<double>(batch_size), 0.5);
      EXPECT_LE(clip.sum_noise_multiplier(), noise * 1.1547006);
      EXPECT_GT(clip.sum_noise_multiplier(), noise);
      EXPECT_GE(clip.count_stddev(), static_cast<double>(batch_size) / 20);
    }
}

}  // namespace
}  // namespace discreet
