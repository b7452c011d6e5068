#include "discreet/accounting/filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "discreet/accounting/pld.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Relation kAdd = Relation::kAddOrRemoveOne;

// The deltas of the orders' budgets by the formula of the proof itself: E max(0, 1 - e^(epsilon - L)) is at
// most e^((a-1)(B-epsilon)) (1 - 1/a)^a / (a-1) (Canonne, Kamath, Steinke 2020, Proposition 12). Together
// with the events' share they are at most delta, which is what makes several orders one filter, and nearly
// delta.
TEST(PrivacyFilter, TheOrdersShareOneDelta) {
  for (const double epsilon : {1e-3, 0.1, 1., 3., 8., 100., 1000.}) {
    for (const double delta : {1e-12, 1e-8, 1e-5, 1e-2, 0.3}) {
      const PrivacyFilter filter(epsilon, delta);
      ASSERT_LE(filter.orders().size(), PrivacyFilter::kMaxOrders);
      double sum = filter.events_delta();
      int used = 0;
      for (size_t i = 0; i < filter.orders().size(); ++i) {
        const double a = filter.orders()[i], budget = filter.budgets()[i];
        if (budget < 0) continue;
        ++used;
        sum += std::exp((a - 1) * (budget - epsilon) + a * std::log1p(-1 / a)) / (a - 1);
      }
      EXPECT_LE(sum, delta) << epsilon << " " << delta;
      EXPECT_GE(used, 2) << epsilon << " " << delta;
      if (used == static_cast<int>(filter.orders().size())) {
        EXPECT_GE(sum, delta * (1 - 1e-6)) << epsilon << " " << delta;
      }
    }
  }
}

// As many Gaussian releases as fit: what they cost exactly (Balle and Wang 2018) is within the budget, and
// what the best of all orders with the whole delta would say is not much less than it.
TEST(PrivacyFilter, HoldsNearlyAsMuchAsOnePlanOfGaussians) {
  for (const double epsilon : {0.1, 1., 3., 8., 20.}) {
    for (const double delta : {1e-10, 1e-5}) {
      const PrivacyFilter filter(epsilon, delta);
      const auto fits = [&](int64_t count) {
        return filter.fits(renyi_cost(Event::repeated(Event::gaussian(1000), count), kAdd, filter.orders()));
      };
      int64_t count = 1;
      while (fits(2 * count)) count *= 2;
      for (int64_t step = count / 2; step > 0; step /= 2)
        if (fits(count + step)) count += step;
      ASSERT_FALSE(fits(count + 1));
      const Event all = Event::repeated(Event::gaussian(1000), count);
      EXPECT_LE(pld_epsilon(all, kAdd, delta).upper, epsilon);
      EXPECT_LE(rdp_epsilon(all, kAdd, delta), epsilon);
      EXPECT_GE(rdp_epsilon(all, kAdd, delta), 0.9 * epsilon) << epsilon << " " << delta;
    }
  }
}

// By the least epsilon over all orders, each with the whole delta, there would be room; but which order is
// the best may depend on results, so that this is no filter.
TEST(PrivacyFilter, TheLeastOverOrdersOfARunningTotalIsNotEnough) {
  for (const double epsilon : {0.3, 3., 20.}) {
    const PrivacyFilter filter(epsilon, 1e-5);
    double low = 1e-2, high = 1e4;  // the least noise that would do
    for (int round = 0; round < 60; ++round) {
      const double middle = std::sqrt(low * high);
      (rdp_epsilon(Event::gaussian(middle), kAdd, 1e-5) <= epsilon ? high : low) = middle;
    }
    EXPECT_FALSE(filter.fits(renyi_cost(Event::gaussian(high), kAdd, filter.orders()))) << epsilon;
    EXPECT_TRUE(filter.fits(renyi_cost(Event::gaussian(1.2 * high), kAdd, filter.orders()))) << epsilon;
  }
}

// Releases of two kinds, where one order has room for the first and another for the second: all that count
// are sums at one and the same order.
TEST(PrivacyFilter, SumsAreTakenAtOneOrder) {
  const PrivacyFilter filter(3, 1e-5);
  RenyiCost first{filter.budgets()}, second{filter.budgets()};
  for (size_t i = 0; i < filter.orders().size(); ++i) (i % 2 == 0 ? first : second).divergence[i] *= 1.5;
  EXPECT_TRUE(filter.fits(first));
  EXPECT_TRUE(filter.fits(second));
  RenyiCost both = first;
  both.add(second);
  EXPECT_FALSE(filter.fits(both));
  EXPECT_DOUBLE_EQ(filter.used(first), 1);
  EXPECT_DOUBLE_EQ(filter.used(both), 2.5);
}

TEST(PrivacyFilter, DeltasOfEventsHaveTheirShareAlone) {
  const PrivacyFilter filter(3, 1e-5);
  const auto fits = [&](double delta) {
    return filter.fits(renyi_cost(Event::composed({Event::gaussian(50), Event::epsilon_delta(0, delta)}),
                                  kAdd, filter.orders()));
  };
  EXPECT_TRUE(fits(filter.events_delta() * (1 - 1e-9)));
  EXPECT_FALSE(fits(filter.events_delta() * (1 + 1e-9)));
  EXPECT_GT(filter.events_delta(), 1e-6);
}

TEST(PrivacyFilter, NothingFitsWithoutADelta) {
  const PrivacyFilter filter(3, 0);
  EXPECT_FALSE(filter.fits(renyi_cost(Event::gaussian(1e6), kAdd, filter.orders())));
  EXPECT_FALSE(filter.fits(renyi_cost(Event::epsilon_delta(1e-3, 0), kAdd, filter.orders())));
}

// Whatever a later version would choose, a filter stays as it was fixed.
TEST(PrivacyFilter, IsReadAsItWasFixed) {
  const PrivacyFilter filter(3, 1e-5);
  const PrivacyFilter again(3, 1e-5, Json::parse(filter.to_json().dump()));
  EXPECT_EQ(again.orders(), filter.orders());
  EXPECT_EQ(again.budgets(), filter.budgets());
  EXPECT_EQ(again.events_delta(), filter.events_delta());
  const Json other = {{"orders", {5}}, {"deltas", {1e-5}}, {"events_delta", 0}};
  EXPECT_EQ(PrivacyFilter(3, 1e-5, other).orders(), std::vector<double>{5});
  for (const char* key : {"orders", "deltas"}) {
    Json wrong = filter.to_json();
    wrong[key].push_back(1e-9);
    EXPECT_THROW(PrivacyFilter(3, 1e-5, wrong), Error) << key;
    wrong = filter.to_json();
    wrong[key][0] = -1;
    EXPECT_THROW(PrivacyFilter(3, 1e-5, wrong), Error) << key;
  }
  EXPECT_THROW(PrivacyFilter(3, 0.9e-5, filter.to_json()), Error);  // shares of more than there is
}

}  // namespace
}  // namespace discreet
