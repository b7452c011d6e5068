#include "discreet/accounting/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "discreet/accounting/event.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Relation kAdd = Relation::kAddOrRemoveOne;

double reached(const Target& target, double noise, double rate, int64_t steps) {
  return upper_epsilon(target.accountant,
                       Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps),
                       target.relation, target.delta);
}

TEST(Calibrate, MatchesThePublishedValues) {
  // Opacus tests: 1.416 (rounded) for RDP, 1.34766 (to four digits) for PRV.
  const double renyi = calibrate_noise_multiplier({8, 1e-5, kAdd, Accountant::kRdp}, 0.04, 2250);
  EXPECT_NEAR(renyi, 1.416, 5e-4 + 1.416 * 5e-4);
  const double pld = calibrate_noise_multiplier({8, 1e-5, kAdd, Accountant::kPld}, 0.04, 2250);
  // PRV's epsilon may be 0.01 too large (its eps_error), which is 2e-3 of noise here: ours is not above it.
  EXPECT_LE(pld, 1.34766);
  EXPECT_GE(pld, 1.34766 * (1 - 2e-3));
}

// Near the target; or at a jump to 0, where delta alone is enough (rdp.h).
void expect_near_the_target(const Target& target, double rate, int64_t steps) {
  SCOPED_TRACE(testing::Message() << to_string(target.accountant) << " " << target.epsilon << " "
                                  << target.delta << " " << rate << " " << steps);
  const double noise = calibrate_noise_multiplier(target, rate, steps);
  const double epsilon = reached(target, noise, rate, steps);
  ASSERT_LE(epsilon, target.epsilon);
  const bool by_pld = target.accountant == Accountant::kPld;  // whose bounds are absolute below 1
  if (epsilon > 0) {
    ASSERT_GE(epsilon, target.epsilon - 1e-3 * (by_pld ? std::max(1.0, target.epsilon) : target.epsilon));
  } else {
    ASSERT_GT(reached(target, noise * (1 - 1e-6), rate, steps), target.epsilon);
  }
}

TEST(Calibrate, IsNeverAboveTheTargetAndNearIt) {
  for (const Relation relation : {kAdd, Relation::kReplaceOne})
    for (const double target : {0.001, 1., 30., 1000.})
      for (const double delta : {1e-15, 1e-5})
        for (const double rate : {1e-6, 0.01, 1.})
          for (const int64_t steps : {int64_t{1}, int64_t{600}, int64_t{10000000}})
            expect_near_the_target({target, delta, relation, Accountant::kRdp}, rate, steps);
}

TEST(Calibrate, IsNeverAboveTheTargetAndNearItByPld) {
  for (const Relation relation : {kAdd, Relation::kReplaceOne, Relation::kZeroOut})
    for (const double target : {0.05, 3., 30.})
      for (const double delta : {1e-9, 1e-5})
        for (const double rate : {0.01, 1.})
          for (const int64_t steps : {int64_t{1}, int64_t{600}})
            expect_near_the_target({target, delta, relation, Accountant::kPld}, rate, steps);
}

TEST(Calibrate, TakesTheMostStepsThatFit) {
  for (const Accountant accountant : {Accountant::kRdp, Accountant::kPld}) {
    const Target target{2, 1e-5, kAdd, accountant};
    const int64_t steps = calibrate_steps(target, 0.02, 1.1);
    const double epsilon = reached(target, 1.1, 0.02, steps);
    EXPECT_LE(epsilon, 2);
    EXPECT_TRUE(epsilon >= 2 * (1 - 1e-3) || reached(target, 1.1, 0.02, steps + 1) > 2) << steps;
    // Few steps: not one more fits.
    const int64_t few = calibrate_steps({1.5, 1e-5, kAdd, accountant}, 0.5, 4);
    ASSERT_GT(few, 0);
    EXPECT_LE(reached(target, 4, 0.5, few), 1.5);
    EXPECT_GT(reached(target, 4, 0.5, few + 1), 1.5);
    EXPECT_EQ(calibrate_steps({0.1, 1e-5, kAdd, accountant}, 1, 1), 0);
  }
}

TEST(Calibrate, TakesTheLargestRateThatFits) {
  for (const Accountant accountant : {Accountant::kRdp, Accountant::kPld}) {
    const Target target{2, 1e-5, kAdd, accountant};
    const double rate = calibrate_sample_rate(target, 1.1, 1000);
    EXPECT_LE(reached(target, 1.1, rate, 1000), 2);
    EXPECT_GE(reached(target, 1.1, rate, 1000), 2 * (1 - 1e-3));
    EXPECT_EQ(calibrate_sample_rate(target, 1000, 1), 1);  // all of it
  }
}

TEST(Calibrate, WhereDeltaAloneIsEnoughLittleNoiseWill) {
  const Target target{1, 0.5, kAdd, Accountant::kRdp};
  EXPECT_LE(reached(target, calibrate_noise_multiplier(target, 1e-6, 1), 1e-6, 1), 1);
}

void expect_refused(double epsilon, double delta, double rate, int64_t steps, const std::string& field) {
  try {
    calibrate_noise_multiplier({epsilon, delta, kAdd, Accountant::kRdp}, rate, steps);
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
