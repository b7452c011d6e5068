#include "discreet/accounting/accountant.h"

#include <gtest/gtest.h>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Relation kAdd = Relation::kAddOrRemoveOne;

TEST(Accountant, NamesGoBothWays) {
  for (const Accountant accountant : {Accountant::kRdp, Accountant::kPld})
    EXPECT_EQ(parse_accountant(to_string(accountant)), accountant);
  EXPECT_THROW(parse_accountant("clt"), Error);
}

TEST(Accountant, TheTightestIsOneOfThemAndSaysWhich) {
  const Event steps = Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(1)), 1000);
  const Accounted best = tightest_epsilon(steps, kAdd, 1e-5);
  EXPECT_EQ(best.accountant, Accountant::kPld);
  EXPECT_EQ(best.epsilon, pld_epsilon(steps, kAdd, 1e-5).upper);
  EXPECT_LT(best.epsilon, rdp_epsilon(steps, kAdd, 1e-5));
}

TEST(Accountant, OneThatDoesNotKnowTheEventIsLeftOut) {
  const Event counts = Event::discrete_gaussian(5);
  const Accounted best = tightest_epsilon(counts, kAdd, 1e-5);
  EXPECT_EQ(best.accountant, Accountant::kRdp);
  EXPECT_EQ(best.epsilon, rdp_epsilon(counts, kAdd, 1e-5));
}

TEST(Accountant, WhatNoneKnowsIsRefused) {
  const Event unknown = Event::poisson_sampled(0.1, Event::discrete_gaussian(5));
  try {
    tightest_epsilon(unknown, kAdd, 1e-5);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  }
  EXPECT_THROW(tightest_epsilon(Event::gaussian(1), kAdd, 1.5), Error);
}

}  // namespace
}  // namespace discreet
