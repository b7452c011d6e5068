#include "discreet/accounting/plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/accounting/pld.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

PlanRequest request() {
  PlanRequest request;
  request.epsilon = 3;
  request.delta = 1e-5;
  request.sample_size = 60000;
  request.batch_size = 2048;
  request.epochs = 20;
  return request;
}

TEST(Plan, WithADeclaredSizeEverythingIsFilled) {
  const Plan plan = make_plan(request());
  EXPECT_EQ(*plan.steps, 586);  // ceil(20 * 60000 / 2048)
  EXPECT_EQ(*plan.sample_rate, 2048. / 60000);
  EXPECT_EQ(plan.shares.statistics_epsilon, 0);
  EXPECT_EQ(plan.shares.training_epsilon, 3);
  EXPECT_EQ(plan.shares.training_delta, 1e-5);
  const Event step = Event::poisson_sampled(*plan.sample_rate, Event::gaussian(*plan.noise_multiplier));
  EXPECT_EQ(*plan.training_epsilon,
            pld_epsilon(Event::repeated(step, *plan.steps), plan.relation, 1e-5).upper);
  EXPECT_EQ(*plan.epsilon_reached, *plan.training_epsilon);
  EXPECT_LE(*plan.epsilon_reached, 3);
  EXPECT_GE(*plan.epsilon_reached, 3 * (1 - 1e-3));
}

TEST(Plan, SharesNeverAddUpToMoreThanTheWhole) {
  PlanRequest r = request();
  r.batch_size.reset();
  for (double share = 0.001; share < 1; share += 0.0137) {
    for (const double epsilon : {0.1, 0.7, 1., 3., 1000.}) {
      r.statistics_share = share;
      r.epsilon = epsilon;
      const Shares shares = make_plan(r).shares;
      EXPECT_LE(static_cast<long double>(shares.statistics_epsilon) + shares.training_epsilon, epsilon);
      EXPECT_LE(static_cast<long double>(shares.statistics_delta) + shares.training_delta, 1e-5);
      EXPECT_NEAR(shares.statistics_epsilon, share * epsilon, 1e-12 * epsilon);
      EXPECT_NEAR(shares.statistics_epsilon + shares.training_epsilon, epsilon, 1e-12 * epsilon);
    }
  }
  r = request();
  r.statistics_share = 0.1;
  EXPECT_LE(*make_plan(r).epsilon_reached, 3);
}

TEST(Plan, WithoutASizeOnlySharesAreKnown) {
  PlanRequest r = request();
  r.sample_size.reset();
  r.statistics_share = 0.1;
  const Json json = make_plan(r).to_json();
  EXPECT_EQ(json["batch_size"], 2048);
  for (const char* key :
       {"sample_size", "steps", "sample_rate", "noise_multiplier", "training_epsilon", "epsilon_reached"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
  EXPECT_NEAR(json["shares"]["statistics"]["epsilon"].get<double>(), 0.3, 1e-12);
  EXPECT_NEAR(json["shares"]["training"]["delta"].get<double>(), 0.9e-5, 1e-15);
}

TEST(Plan, JsonHasTheSameKeysAlways) {
  PlanRequest bare;
  bare.epsilon = 1;
  bare.delta = 1e-6;
  const Json full = make_plan(request()).to_json(), empty = make_plan(bare).to_json();
  ASSERT_EQ(full.size(), empty.size());
  for (const auto& [key, value] : full.items()) EXPECT_TRUE(empty.contains(key)) << key;
  EXPECT_EQ(full["relation"], "add-or-remove-one");
  EXPECT_EQ(full["accountant"], "pld");
}

void expect_refused(const PlanRequest& r, const std::string& beginning) {
  try {
    make_plan(r);
    ADD_FAILURE() << beginning;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_TRUE(std::string(error.what()).starts_with(beginning)) << error.what();
  }
}

TEST(Plan, RefusesBadInput) {
  const double nan = std::nan(""), inf = INFINITY;
  const auto with = [](auto change) {
    PlanRequest r = request();
    change(r);
    return r;
  };
  for (const double bad : {0., -1., nan, 1e9})
    expect_refused(with([&](auto& r) { r.epsilon = bad; }), "epsilon must be in [0.001, 1000]");
  for (const double bad : {0., 1., nan})
    expect_refused(with([&](auto& r) { r.delta = bad; }), "delta must be");
  for (const double bad : {-0.1, 1., nan})
    expect_refused(with([&](auto& r) { r.statistics_share = bad; }), "statistics_share must be");
  for (const double bad : {0., -5., nan, inf})
    expect_refused(with([&](auto& r) { r.sample_size = bad; }), "sample_size must be");
  for (const int64_t bad : {int64_t{0}, int64_t{-1}})
    expect_refused(with([&](auto& r) { r.batch_size = bad; }), "batch_size must be at least 1");
  expect_refused(with([](auto& r) { r.batch_size = 60001; }),
                 "batch_size must be at most sample_size, 60000, not 60001");
  for (const double bad : {0., -1., nan, inf})
    expect_refused(with([&](auto& r) { r.epochs = bad; }), "epochs must be above 0");
  expect_refused(with([](auto& r) { r.epochs = 1e300; }), "epochs * sample_size");
  expect_refused(with([](auto& r) { r.steps = 5; }), "give epochs or steps");
  expect_refused(with([](auto& r) { r.epochs.reset(), r.steps = 0; }), "steps must be in");
}

// Where the privacy loss distribution is out of reach, the plan says whose epsilon it is.
TEST(Plan, FallsBackToRenyi) {
  PlanRequest r = request();
  r.delta = 1e-40;
  const Plan plan = make_plan(r);
  const Event step = Event::poisson_sampled(*plan.sample_rate, Event::gaussian(*plan.noise_multiplier));
  EXPECT_EQ(*plan.training_epsilon,
            upper_epsilon(plan.accountant, Event::repeated(step, *plan.steps), plan.relation, r.delta));
  EXPECT_EQ(plan.accountant, Accountant::kRdp);
}

// The noise that the plan names must be enough under the plan's own relation.
TEST(Plan, ReachesItsEpsilonUnderItsOwnRelation) {
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
    PlanRequest request;
    request.epsilon = 2;
    request.delta = 1e-5;
    request.relation = relation;
    request.sample_size = 10000;
    request.batch_size = 200;
    request.steps = 300;
    const Plan plan = make_plan(request);
    const Event event = Event::repeated(
        Event::poisson_sampled(*plan.sample_rate, Event::gaussian(*plan.noise_multiplier)), *plan.steps);
    EXPECT_LE(pld_epsilon(event, relation, plan.shares.training_delta).upper, 2.0) << to_string(relation);
  }
}

}  // namespace
}  // namespace discreet
