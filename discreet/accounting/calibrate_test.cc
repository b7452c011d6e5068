#include "discreet/accounting/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

double reached(double noise, double delta, Relation relation, double rate, int64_t steps) {
  return rdp_epsilon(Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps), relation,
                     delta);
}

TEST(Calibrate, MatchesThePublishedValue) {
  // Opacus tests: 1.416 (rounded) for RDP; the tight value, 1.34766, must not be passed.
  const double noise = calibrate_noise_multiplier(8, 1e-5, Relation::kAddOrRemoveOne, 0.04, 2250);
  EXPECT_NEAR(noise, 1.416, 5e-4 + 1.416 * 5e-4);
  EXPECT_GT(noise, 1.34766);
}

TEST(Calibrate, IsNeverAboveTheTargetAndNearIt) {
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne}) {
    for (const double target : {0.001, 1., 30., 1000.}) {
      for (const double delta : {1e-15, 1e-5}) {
        for (const double rate : {1e-6, 0.01, 1.}) {
          for (const int64_t steps : {int64_t{1}, int64_t{600}, int64_t{10000000}}) {
            SCOPED_TRACE(testing::Message() << target << " " << delta << " " << rate << " " << steps);
            const double noise = calibrate_noise_multiplier(target, delta, relation, rate, steps);
            const double epsilon = reached(noise, delta, relation, rate, steps);
            ASSERT_LE(epsilon, target);
            // Near the target; or at a jump to 0, where delta alone is enough (rdp.h).
            if (epsilon > 0) {
              ASSERT_GE(epsilon, target * (1 - 1e-3));
            } else {
              ASSERT_GT(reached(noise * (1 - 1e-6), delta, relation, rate, steps), target);
            }
          }
        }
      }
    }
  }
}

TEST(Calibrate, WhereDeltaAloneIsEnoughLittleNoiseWill) {
  const double noise = calibrate_noise_multiplier(1, 0.5, Relation::kAddOrRemoveOne, 1e-6, 1);
  EXPECT_LE(reached(noise, 0.5, Relation::kAddOrRemoveOne, 1e-6, 1), 1);
}

void expect_refused(double epsilon, double delta, double rate, int64_t steps, const std::string& field) {
  try {
    calibrate_noise_multiplier(epsilon, delta, Relation::kAddOrRemoveOne, rate, steps);
    ADD_FAILURE() << field;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_TRUE(std::string(error.what()).starts_with(field + " must be ")) << error.what();
  }
}

TEST(Calibrate, RefusesBadInput) {
  const double nan = std::nan("");
  for (const double epsilon : {0., -1., nan, 1e9, 1e-4}) expect_refused(epsilon, 1e-5, 0.1, 10, "epsilon");
  for (const double delta : {0., -1e-5, 1., nan}) expect_refused(1, delta, 0.1, 10, "delta");
  for (const double rate : {0., -0.1, 1.1, nan}) expect_refused(1, 1e-5, rate, 10, "sample_rate");
  for (const int64_t steps : {int64_t{0}, int64_t{-5}, (int64_t{1} << 53) + 1})
    expect_refused(1, 1e-5, 0.1, steps, "steps");
}

}  // namespace
}  // namespace discreet
