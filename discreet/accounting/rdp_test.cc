#include "discreet/accounting/rdp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "discreet/accounting/renyi_sampled_gaussian.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Relation kAdd = Relation::kAddOrRemoveOne, kReplace = Relation::kReplaceOne,
                   kZero = Relation::kZeroOut;

Event training(double rate, double noise, int64_t steps) {
  return Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps);
}

// At most 3e-3 below what is published (relative; absolute below 1), never above it. Published values are
// minima over a few orders, so ours may be a little lower.
void expect_matches(double ours, double published, double rounding = 0) {
  EXPECT_LE(ours, published * (1 + 1e-9) + rounding);
  EXPECT_GE(ours, published - 3e-3 * std::max(1., published));
}

TEST(RdpEpsilon, MatchesPublishedValues) {
  // Opacus tests/accountants_test.py; the PRV and GDP values are of the same place.
  const double opacus = rdp_epsilon(training(0.04, 1.5, 2250), kAdd, 1e-5);
  expect_matches(opacus, 7.32911117143);
  EXPECT_GE(rdp_epsilon(training(0.04, 1.5, 2249), kAdd, 1e-5), 6.767045);  // PRV estimate: the true value
  EXPECT_GT(rdp_epsilon(training(0.04, 1.5, 2249), kAdd, 1e-5), 6.599821);  // central limit: too low
  EXPECT_GE(opacus, 6.768787);                                              // dp_accounting, PLD
  // TensorFlow Privacy compute_dp_sgd_privacy_test.py, recomputed by dp_accounting.
  expect_matches(rdp_epsilon(training(0.0025, 1.3, 6000), kAdd, 1e-5), 0.7242234026);
  expect_matches(rdp_epsilon(training(0.001, 1, 30000), kAdd, 1e-7), 1.4154988495);
  expect_matches(rdp_epsilon(training(0.01, 0.7, 120), kAdd, 1e-5), 3.2392676, 1e-6);
  expect_matches(rdp_epsilon(training(1, 0.7, 2), kAdd, 1e-5), 10.8602036, 1e-6);
  // dp_accounting rdp_privacy_accountant_test.py: one Gaussian, published rounded to 1.
  expect_matches(rdp_epsilon(Event::gaussian(4.530877117), kAdd, 1e-6), 1.0, 1e-6);
}

TEST(RdpEpsilon, IsAboveTheTightValues) {
  EXPECT_GE(rdp_epsilon(training(0.0025, 1.3, 6000), kAdd, 1e-5), 0.640111);
  EXPECT_GE(rdp_epsilon(training(0.01, 0.7, 120), kAdd, 1e-5), 2.4612381);
  EXPECT_GE(rdp_epsilon(training(1, 0.7, 2), kAdd, 1e-5), 10.1224946);
  EXPECT_GE(rdp_epsilon(training(0.01, 1, 1000), kAdd, 1e-5), 1.82824);
  EXPECT_GE(rdp_epsilon(training(0.01, 1, 1000), kReplace, 1e-5), 2.84399);
  // Opacus tests/prv_accountant.py: upper bounds whose error is at most 0.01.
  EXPECT_GE(rdp_epsilon(training(0.05, 2, 1000), kAdd, 1e-6), 4.1727999 - 0.01);
  EXPECT_GE(rdp_epsilon(training(0.001, 1.5, 20000), kAdd, 1e-6), 0.4370051 - 0.01);
  EXPECT_GE(rdp_epsilon(training(0.05, 0.8, 1000), kAdd, 1e-6), 19.5258428 - 0.01);
  EXPECT_GE(rdp_epsilon(training(0.2, 3, 100), kAdd, 1e-6), 3.3812205 - 0.01);
}

// delta(epsilon) of one Gaussian exactly (Balle and Wang 2018, Theorem 8): the bound may not pass below it.
TEST(RdpEpsilon, IsAboveTheExactGaussian) {
  for (const double noise : {0.3, 1., 4., 50.}) {
    for (const double delta : {1e-12, 1e-6, 1e-2}) {
      const double epsilon = rdp_epsilon(Event::gaussian(noise), kAdd, delta);
      const auto normal = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.)); };
      const double exact =
          normal(0.5 / noise - epsilon * noise) - std::exp(epsilon) * normal(-0.5 / noise - epsilon * noise);
      EXPECT_LE(exact, delta) << noise << " " << delta;
      EXPECT_GE(exact, delta * 1e-2) << noise << " " << delta;  // and it is not wildly above
    }
  }
}

// The peer's grid, tests/reference/make_rdp_grid.py: ours at most theirs (they look at some orders, we at
// all), and not below the value of privacy loss distributions (their grid is good to 1e-3).
TEST(RdpEpsilon, AgreesWithThePeersGrid) {
  const char* source = std::getenv("DISCREET_SOURCE");
  ASSERT_NE(source, nullptr) << "set DISCREET_SOURCE to the project's folder";
  std::ifstream file(std::string(source) + "/tests/reference/rdp_grid.csv");
  ASSERT_TRUE(file);
  std::string line;
  int rows = 0, upper = 0, lower = 0, near = 0;
  while (std::getline(file, line)) {
    if (line.starts_with("#") || line.starts_with("relation")) continue;
    std::vector<std::string> cells;
    std::istringstream cut(line + ",");
    for (std::string cell; std::getline(cut, cell, ',');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 7u) << line;
    const double ours = rdp_epsilon(training(std::stod(cells[1]), std::stod(cells[2]), std::stoll(cells[3])),
                                    parse_relation(cells[0]), std::stod(cells[4]));
    ++rows;
    if (!cells[5].empty()) {
      const double theirs = std::stod(cells[5]);
      EXPECT_LE(ours, theirs * (1 + 1e-6) + 1e-12) << line;
      near += ours >= theirs * (1 - 3e-3) - 1e-6;
      ++upper;
    }
    if (!cells[6].empty()) {
      EXPECT_GE(ours, std::stod(cells[6]) * (1 - 1e-3)) << line;
      ++lower;
    }
  }
  EXPECT_GE(rows, 200);
  EXPECT_GE(upper, 120);
  EXPECT_GE(lower, 100);
  EXPECT_GE(near, upper / 3);  // often the same number: elsewhere their orders are too few
}

TEST(RdpEpsilon, IsTheLeastOverAllOrders) {
  for (const Relation relation : {kAdd, kReplace}) {
    for (const auto& [rate, noise, steps, delta] :
         {std::tuple(0.01, 1.1, 1000, 1e-5), std::tuple(1e-4, 0.6, 30, 1e-9),
          std::tuple(0.3, 8., 5000, 1e-12), std::tuple(0.5, 0.3, 100000, 1e-3),
          std::tuple(1e-3, 100., 3, 1e-6)}) {
      const double epsilon = rdp_epsilon(training(rate, noise, steps), relation, delta);
      double least = INFINITY;
      for (double t = std::log(1e-5); t < std::log(1e4); t += 0.05) {
        const double order = 1 + std::exp(t);
        const double renyi = steps * renyi_sampled_gaussian(rate, noise, order, relation);
        least = std::min(least, renyi + std::log1p(-1 / order) - std::log(order * delta) / (order - 1));
      }
      EXPECT_LE(epsilon, least * (1 + 1e-6));
    }
  }
}

TEST(RdpEpsilon, Relations) {
  const Event gaussian = Event::gaussian(3), twice = Event::gaussian(1.5);
  EXPECT_EQ(rdp_epsilon(gaussian, kZero, 1e-5), rdp_epsilon(gaussian, kAdd, 1e-5));
  EXPECT_EQ(rdp_epsilon(gaussian, kReplace, 1e-5), rdp_epsilon(twice, kAdd, 1e-5));
  EXPECT_EQ(rdp_epsilon(Event::discrete_gaussian(3), kReplace, 1e-5), rdp_epsilon(gaussian, kReplace, 1e-5));
  const Event sampled = training(0.01, 1.1, 500);
  EXPECT_EQ(rdp_epsilon(sampled, kZero, 1e-5), rdp_epsilon(sampled, kAdd, 1e-5));
  EXPECT_GT(rdp_epsilon(sampled, kReplace, 1e-5), rdp_epsilon(sampled, kAdd, 1e-5));
  EXPECT_LT(rdp_epsilon(sampled, kReplace, 1e-5),
            2 * rdp_epsilon(sampled, kAdd, 1e-6));  // two steps of adding
}

TEST(RdpEpsilon, Composition) {
  const Event a = Event::gaussian(2), sampled = Event::poisson_sampled(0.1, Event::gaussian(1));
  const auto epsilon = [](const Event& event) { return rdp_epsilon(event, kAdd, 1e-6); };
  EXPECT_EQ(epsilon(Event::composed({})), 0);
  EXPECT_EQ(epsilon(Event::repeated(a, 0)), 0);
  EXPECT_EQ(epsilon(Event::poisson_sampled(0, Event::gaussian(1))), 0);
  EXPECT_EQ(epsilon(Event::poisson_sampled(1, a)), epsilon(a));
  EXPECT_NEAR(epsilon(Event::repeated(a, 4)), epsilon(Event::gaussian(1)), 1e-9);
  EXPECT_NEAR(epsilon(Event::composed({a, a, a, a})), epsilon(Event::gaussian(1)), 1e-9);
  EXPECT_NEAR(epsilon(Event::composed({sampled, Event::repeated(sampled, 9)})),
              epsilon(Event::repeated(sampled, 10)), 1e-9);
  EXPECT_NEAR(epsilon(Event::repeated(Event::repeated(sampled, 5), 2)), epsilon(Event::repeated(sampled, 10)),
              1e-9);
  EXPECT_GT(epsilon(Event::composed({a, sampled})), epsilon(a));
}

TEST(RdpEpsilon, PlainEventsAreAddedAndTheirDeltaIsTakenFirst) {
  const Event plain = Event::epsilon_delta(0.5, 4e-6), gaussian = Event::gaussian(2);
  EXPECT_NEAR(rdp_epsilon(Event::composed({plain, gaussian}), kAdd, 1e-5),
              0.5 + rdp_epsilon(gaussian, kAdd, 6e-6), 1e-9);
  EXPECT_NEAR(rdp_epsilon(Event::repeated(plain, 2), kAdd, 1e-5), 1.0, 1e-9);
  EXPECT_NEAR(rdp_epsilon(Event::repeated(Event::epsilon_delta(0.25, 0), 3), kAdd, 1e-5), 0.75, 1e-9);
  EXPECT_THROW(rdp_epsilon(Event::repeated(plain, 3), kAdd, 1e-5), Error);
  EXPECT_THROW(rdp_epsilon(Event::composed({Event::epsilon_delta(0, 1e-5), gaussian}), kAdd, 1e-5), Error);
}

// dp_accounting 0.6.0, RdpAccountant with its default orders; a few orders, so ours may be a little lower.
TEST(RdpEpsilon, OtherMechanismsMatchAPeer) {
  expect_matches(rdp_epsilon(Event::repeated(Event::laplace(3), 40), kAdd, 1e-5), 9.893685908321078);
  expect_matches(rdp_epsilon(Event::repeated(Event::laplace(0.4), 2), kAdd, 1e-5), 5.002147238064047);
  expect_matches(
      rdp_epsilon(Event::repeated(Event::randomized_response(std::log(9.), 2), 10), kReplace, 1e-5),
      21.974717265975166);
  const Event run = training(0.01, 1, 500);
  expect_matches(rdp_epsilon(Event::repeat_and_select(run, Trials::geometric(0.1)), kAdd, 1e-5),
                 3.2215748296907405, 2e-3);
  expect_matches(rdp_epsilon(Event::repeat_and_select(run, Trials::poisson(20)), kAdd, 1e-5),
                 4.476352696101201, 2e-3);
  // A tree of 1600 steps, noise 8.83: one unit takes part in one step, so in floor(log2(1600)) + 1 = 11
  // nodes.
  expect_matches(rdp_epsilon(Event::matrix_gaussian(8.83, std::sqrt(11.)), kZero, 1e-6), 1.77319, 1e-5);
}

TEST(RdpEpsilon, RelationsOfOtherMechanisms) {
  const auto at = [](const Event& event, Relation relation) { return rdp_epsilon(event, relation, 1e-5); };
  EXPECT_EQ(at(Event::laplace(3), kReplace), at(Event::laplace(1.5), kAdd));
  EXPECT_EQ(at(Event::discrete_laplace(9, 3), kReplace), at(Event::discrete_laplace(9, 6), kAdd));
  EXPECT_EQ(at(Event::exponential_mechanism(0.5), kReplace), at(Event::exponential_mechanism(1), kZero));
  EXPECT_EQ(at(Event::matrix_gaussian(6, 3), kReplace), at(Event::gaussian(1), kAdd));
  EXPECT_NEAR(at(Event::fixed_size_sampled(7, 7, Event::gaussian(3)), kReplace),
              at(Event::gaussian(1.5), kAdd), 1e-9);
  EXPECT_EQ(at(Event::fixed_size_sampled(0, 7, Event::gaussian(3)), kReplace), 0);
  // One bit, discrete Laplace of sensitivity 1: the same pair as a randomised response of two values.
  EXPECT_NEAR(at(Event::repeated(Event::discrete_laplace(2, 1), 30), kAdd),
              at(Event::repeated(Event::randomized_response(0.5, 2), 30), kReplace), 1e-9);
}

TEST(RdpEpsilon, AThresholdCostsItsDelta) {
  const Event counts = Event::discrete_gaussian(12), selection = Event::thresholded_selection(counts, 2e-6);
  EXPECT_EQ(rdp_epsilon(selection, kAdd, 1e-5),
            rdp_epsilon(Event::composed({counts, Event::epsilon_delta(0, 2e-6)}), kAdd, 1e-5));
  EXPECT_NEAR(rdp_epsilon(Event::repeated(selection, 3), kAdd, 1e-5),
              rdp_epsilon(Event::repeated(counts, 3), kAdd, 4e-6), 1e-9);
  EXPECT_THROW(rdp_epsilon(selection, kAdd, 2e-6), Error);
}

// Roundings of thousands of sums must not make the total too small.
TEST(RdpEpsilon, ManyEventsAddUpUpwards) {
  const std::vector<Event> many(9000, Event::gaussian(1000));
  EXPECT_GE(rdp_epsilon(Event::composed(many), kAdd, 1e-6),
            rdp_epsilon(Event::repeated(many[0], 9000), kAdd, 1e-6));
  const std::vector<Event> plain(9000, Event::epsilon_delta(1e-4, 1e-12));
  EXPECT_GE(rdp_epsilon(Event::composed(plain), kAdd, 1e-6), 0.9);
}

TEST(RdpEpsilon, RefusesBadDelta) {
  for (const double delta : {0., -1e-5, 1., 2., std::nan("")}) {
    try {
      rdp_epsilon(Event::gaussian(1), kAdd, delta);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("delta must be"), std::string::npos);
    }
  }
}

TEST(RdpEpsilon, CornersAreFiniteAndMonotone) {
  for (const Relation relation : {kAdd, kReplace}) {
    for (const double noise : {0.3, 1., 20., 1000.}) {
      for (const double delta : {1e-15, 1e-6, 0.1}) {
        double former_rate = 0;
        for (const double rate : {1e-6, 1e-3, 0.1, 1.}) {
          double former = 0;
          for (const int64_t steps : {int64_t{1}, int64_t{1000}, int64_t{10000000}}) {
            const double epsilon = rdp_epsilon(training(rate, noise, steps), relation, delta);
            ASSERT_TRUE(std::isfinite(epsilon));
            ASSERT_GE(epsilon, former);
            former = epsilon;
          }
          ASSERT_GE(former, former_rate);
          former_rate = former;
        }
      }
    }
  }
  EXPECT_TRUE(std::isfinite(rdp_epsilon(training(0.5, 1e-6, int64_t{1} << 53), kReplace, 1e-300)));
  EXPECT_GE(rdp_epsilon(training(1e-300, 1e9, 1), kAdd, 0.999), 0);
}

// The parts by their own formulas; randomised response has the largest divergence of all e-private releases.
TEST(RenyiCost, AddsUpAtEachOrder) {
  const std::vector<double> orders{1.2, 2, 7.5, 60};
  const Event all = Event::composed({Event::repeated(Event::gaussian(3), 5), Event::discrete_gaussian(10),
                                     Event::epsilon_delta(0.5, 1e-7), Event::epsilon_delta(0.25, 2e-7),
                                     Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(2)), 100)});
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne}) {
    const RenyiCost cost = renyi_cost(all, relation, orders);
    EXPECT_DOUBLE_EQ(cost.delta, 3e-7);
    const double k = relation == Relation::kReplaceOne ? 2 : 1;
    for (size_t i = 0; i < orders.size(); ++i) {
      const double a = orders[i];
      const auto randomised = [&](double e) {
        const double p = 1 / (1 + std::exp(-e)), q = 1 - p;
        return std::log(std::pow(p, a) * std::pow(q, 1 - a) + std::pow(q, a) * std::pow(p, 1 - a)) / (a - 1);
      };
      const double rest =
          k * k * a * (5. / 18 + 1. / 200) + 100 * renyi_sampled_gaussian(0.01, 2, a, relation);
      EXPECT_GE(cost.divergence[i], rest + randomised(0.5) + randomised(0.25)) << a;
      EXPECT_LE(cost.divergence[i], rest * (1 + 1e-9) + std::min(0.75, a * (0.25 + 0.0625) / 2) * (1 + 1e-9))
          << a;
    }
    RenyiCost twice = cost;
    twice.add(cost);
    EXPECT_DOUBLE_EQ(twice.divergence[2], 2 * cost.divergence[2]);
    EXPECT_GE(twice.divergence[2], 2 * cost.divergence[2]);
    EXPECT_DOUBLE_EQ(twice.delta, 6e-7);
  }
}

}  // namespace
}  // namespace discreet
