#include "discreet/accounting/pld.h"

#include <gtest/gtest.h>

#include <boost/math/special_functions/erf.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "discreet/accounting/loss_pair.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Relation kAdd = Relation::kAddOrRemoveOne, kReplace = Relation::kReplaceOne;

Event sgd(double rate, double noise, int64_t steps) {
  return Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps);
}

double tolerance(double epsilon) {
  return 1e-3 * std::max(1.0, epsilon) + 1e-6;
}

// Values of other implementations, recomputed: Opacus' tests (accountants_test.py, prv_accountant.py) and
// dp_accounting's (pld_privacy_accountant_test.py), TF Privacy's compute_dp_sgd_privacy_test.py.
TEST(Pld, PublishedValues) {
  const struct {
    double rate, noise;
    int64_t steps;
    double delta, epsilon;
    Relation relation;
  } rows[] = {{0.04, 1.5, 2250, 1e-5, 6.768787, kAdd}, {0.0025, 1.3, 6000, 1e-5, 0.640111, kAdd},
              {0.01, 0.7, 120, 1e-5, 2.4612381, kAdd}, {1, 0.7, 2, 1e-5, 10.1224946, kAdd},
              {0.01, 1, 1000, 1e-5, 1.82824, kAdd},    {0.01, 1, 1000, 1e-5, 2.84399, kReplace}};
  for (const auto& row : rows) {
    const PldBounds bounds = pld_epsilon(sgd(row.rate, row.noise, row.steps), row.relation, row.delta);
    EXPECT_LE(bounds.lower, row.epsilon + 1e-6);
    EXPECT_LE(bounds.upper, row.epsilon + tolerance(row.epsilon));
    EXPECT_GE(bounds.upper, row.epsilon - tolerance(row.epsilon));
    EXPECT_LE(bounds.upper - bounds.lower, tolerance(row.epsilon));
  }
  // Upper bounds of the PRV accountant.
  EXPECT_LE(pld_epsilon(sgd(0.04, 1.5, 2249), kAdd, 1e-5).upper, 6.777395712);
  EXPECT_LE(pld_epsilon(sgd(0.05, 2.0, 1000), kAdd, 1e-6).upper, 4.1727999);
  EXPECT_LE(pld_epsilon(sgd(0.001, 1.5, 20000), kAdd, 1e-6).upper, 0.4370051);
  EXPECT_LE(pld_epsilon(sgd(0.05, 0.8, 1000), kAdd, 1e-6).upper, 19.5258428);
  EXPECT_LE(pld_epsilon(sgd(0.2, 3.0, 100), kAdd, 1e-6).upper, 3.3812205);
  // The central limit theorem's estimate is too small.
  EXPECT_GT(pld_epsilon(sgd(0.04, 1.5, 2249), kAdd, 1e-5).lower, 6.599821);
  const PldBounds sampled = pld_delta(sgd(0.2, 0.5, 3), kAdd, 1),
                  plain = pld_delta(sgd(1, 1.7320508, 3), kAdd, 1);
  EXPECT_LE(sampled.lower, 0.15594 + 1e-5);
  EXPECT_GE(sampled.upper, 0.15594 - 1e-5);
  EXPECT_LE(sampled.upper, 0.15594 * 1.001);
  EXPECT_NEAR(plain.upper, 0.126936, 1e-6);
}

TEST(Pld, AgreesWithThePeersGrid) {
  const char* source = std::getenv("DISCREET_SOURCE");
  ASSERT_NE(source, nullptr) << "set DISCREET_SOURCE to the project's folder";
  std::ifstream file(std::string(source) + "/tests/reference/rdp_grid.csv");
  std::string line;
  int rows = 0;
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::stringstream stream(line + ",");
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    if (cells.size() < 7 || cells[0] == "relation" || cells[6].empty()) continue;
    const double steps = std::stod(cells[3]), epsilon = std::stod(cells[6]);
    if (std::stod(cells[1]) < 1e-3 && std::getenv("DISCREET_SOAK") == nullptr) continue;  // a second each
    const PldBounds bounds =
        pld_epsilon(sgd(std::stod(cells[1]), std::stod(cells[2]), static_cast<int64_t>(steps)),
                    parse_relation(cells[0]), std::stod(cells[4]));
    ++rows;
    // Theirs is an upper bound a little above the true value.
    EXPECT_LE(bounds.lower, epsilon * (1 + 1e-9) + 1e-9) << line;
    EXPECT_LE(bounds.upper, epsilon + tolerance(epsilon)) << line;
    EXPECT_LE(bounds.lower, bounds.upper) << line;
    EXPECT_LE(bounds.upper - bounds.lower, 4 * tolerance(epsilon)) << line;
  }
  EXPECT_GE(rows, 50);
}

// The independent slow path: two releases by a double integral, delta of the second in closed form.
TEST(Pld, TwoDifferentReleasesAgainstAnIntegral) {
  const double q1 = 0.1, s1 = 0.8, q2 = 0.3, s2 = 2;
  const auto cdf = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  for (const double epsilon : {0.1, 1.0, 2.5}) {
    double worst = 0;
    for (const auto direction : {LossPair::Direction::kRemove, LossPair::Direction::kAdd}) {
      const LossPair first(direction, q1, s1), second(direction, q2, s2);
      const auto delta_second = [&](double e) {
        const double u = second.threshold(e), s = second.shift();
        if (std::isinf(u)) return u > 0 ? 0.0 : -std::expm1(e);
        return direction == LossPair::Direction::kRemove
                   ? (1 - q2) * cdf(-u) + q2 * cdf(s - u) - std::exp(e) * cdf(-u)
                   : cdf(-u) - std::exp(e) * ((1 - q2) * cdf(-u) + q2 * cdf(-s - u));
      };
      double sum = 0;
      constexpr double kStride = 1e-3;
      for (double t = -9 + kStride / 2; t < 10.5; t += kStride)
        sum += kStride * first.densities(t).p * delta_second(epsilon - first.loss(t));
      worst = std::max(worst, sum);
    }
    const Event both = Event::composed(
        {Event::poisson_sampled(q1, Event::gaussian(s1)), Event::poisson_sampled(q2, Event::gaussian(s2))});
    const PldBounds bounds = pld_delta(both, kAdd, epsilon);
    EXPECT_LE(bounds.lower, worst * (1 + 1e-6));
    EXPECT_GE(bounds.upper, worst * (1 - 1e-6));
    EXPECT_LE(bounds.upper, worst * 1.002);
    EXPECT_GE(bounds.lower, worst * 0.998);
  }
}

TEST(Pld, GaussiansAddUpInClosedForm) {
  // Four of multiplier 2 are one of multiplier 1: delta by Balle and Wang 2018, Theorem 8, with 50 digits.
  using Wide = boost::multiprecision::cpp_bin_float_50;
  const auto cdf = [](const Wide& x) -> Wide { return boost::math::erfc(-x / sqrt(Wide(2))) / 2; };
  const auto delta_at = [&](double epsilon) {
    const Wide e = epsilon;
    return static_cast<double>(cdf(Wide(0.5) - e) - exp(e) * cdf(Wide(-0.5) - e));
  };
  for (const Event& event : {Event::gaussian(1), Event::repeated(Event::gaussian(2), 4)}) {
    const PldBounds bounds = pld_epsilon(event, kAdd, 1e-5);
    EXPECT_LE(delta_at(bounds.upper), 1e-5);
    EXPECT_GE(delta_at(bounds.lower), 1e-5);
    EXPECT_LE(bounds.upper - bounds.lower, 1e-7);
  }
  EXPECT_NEAR(delta_at(pld_epsilon(Event::gaussian(2), kReplace, 1e-5).upper), 1e-5, 1e-12);
  EXPECT_EQ(pld_epsilon(Event::gaussian(1000), kAdd, 0.1).upper, 0);
  // A Gaussian among sampled ones goes through the grid.
  const PldBounds mixed = pld_epsilon(
      Event::composed({Event::gaussian(2), Event::poisson_sampled(1e-6, Event::gaussian(2))}), kAdd, 1e-5);
  const double alone = pld_epsilon(Event::gaussian(2), kAdd, 1e-5).upper;
  EXPECT_LE(mixed.lower, alone + 1e-3);
  EXPECT_GE(mixed.upper, alone - 1e-9);
  EXPECT_LE(mixed.upper, alone + 2e-3);
}

TEST(Pld, NeverAboveRenyi) {
  for (const double rate : {0.002, 0.05, 0.5}) {
    for (const double noise : {0.7, 1.5, 6.0}) {
      for (const int64_t steps : {1, 40, 2000}) {
        for (const Relation relation : {kAdd, kReplace, Relation::kZeroOut}) {
          const Event event = sgd(rate, noise, steps);
          const PldBounds bounds = pld_epsilon(event, relation, 1e-6);
          EXPECT_LE(bounds.upper, rdp_epsilon(event, relation, 1e-6) * (1 + 1e-3) + 1e-3)
              << rate << " " << noise << " " << steps;
          EXPECT_GE(bounds.lower, 0);
          EXPECT_LE(bounds.upper - bounds.lower, tolerance(bounds.lower))
              << rate << " " << noise << " " << steps;
        }
      }
    }
  }
}

TEST(Pld, EpsilonDeltaIsAdded) {
  const Event plain = Event::epsilon_delta(0.5, 1e-7);
  EXPECT_NEAR(pld_epsilon(plain, kAdd, 1e-5).upper, 0.5, 1e-9);
  const double training = pld_epsilon(sgd(0.01, 1, 100), kAdd, 1e-5 - 1e-7).upper;
  EXPECT_NEAR(pld_epsilon(Event::composed({plain, sgd(0.01, 1, 100)}), kAdd, 1e-5).upper, training + 0.5,
              1e-9);
}

TEST(Pld, Corners) {
  const struct {
    double rate, noise;
    int64_t steps;
    double delta;
  } rows[] = {{1e-6, 0.3, 10, 0.1},       {0.01, 1000, 1000000, 1e-9}, {0.5, 0.3, 1, 1e-6},
              {0.01, 0.3, 1000000, 1e-6}, {1, 0.3, 1, 1e-15},          {1, 1000, 1, 0.1}};
  for (const auto& row : rows) {
    const PldBounds bounds = pld_epsilon(sgd(row.rate, row.noise, row.steps), kAdd, row.delta);
    EXPECT_TRUE(std::isfinite(bounds.upper)) << row.rate << " " << row.noise;
    EXPECT_GE(bounds.lower, 0);
    EXPECT_LE(bounds.lower, bounds.upper);
    EXPECT_LE(bounds.upper,
              rdp_epsilon(sgd(row.rate, row.noise, row.steps), kAdd, row.delta) * (1 + 1e-3) + 1e-3);
  }
}

// One release of a pure mechanism: delta in closed form (bounded_loss.h), as an epsilon that ours must
// contain.
TEST(Pld, OnePureReleaseInClosedForm) {
  for (const double e : {0.05, 1.0, 4.0}) {
    for (const double delta : {0.02, 1e-4, 1e-9}) {
      const double laplace = e + 2 * std::log1p(-delta);
      const double coin = std::log(std::exp(e) - delta * (std::exp(e) + 4));  // five values
      const double range = e + 2 * std::log1p(-std::sqrt(delta * -std::expm1(-e)));
      const auto expect = [&](const Event& event, Relation relation, double exact, bool is_tight) {
        const PldBounds bounds = pld_epsilon(event, relation, delta);
        exact = std::max(0.0, exact);
        EXPECT_LE(bounds.lower, exact + 1e-9) << event.to_json() << " " << delta;
        EXPECT_GE(bounds.upper, exact - 1e-9) << event.to_json() << " " << delta;
        EXPECT_LE(bounds.upper, exact + tolerance(exact)) << event.to_json() << " " << delta;
        if (is_tight) {
          EXPECT_GE(bounds.lower, exact - tolerance(exact)) << event.to_json() << " " << delta;
        }
      };
      expect(Event::laplace(1 / e), kAdd, laplace, true);
      expect(Event::laplace(2 / e), kReplace, laplace, true);
      expect(Event::randomized_response(e, 5), kReplace, coin, true);
      expect(Event::exponential_mechanism(e), kAdd, range, false);
      expect(Event::exponential_mechanism(e / 2), kReplace, range, false);
    }
  }
}

// k answers of two values each: delta is a sum over a binomial (Kairouz, Oh, Viswanath 2015, Theorem 3.3 with
// delta = 0).
double binomial_delta(double e, int k, double epsilon) {
  double sum = 0;
  for (int true_ones = 0; true_ones <= k; ++true_ones) {
    const double loss = e * (2 * true_ones - k);
    if (loss <= epsilon) continue;
    const double log_choose =
        std::lgamma(k + 1.0) - std::lgamma(true_ones + 1.0) - std::lgamma(k - true_ones + 1.0);
    sum += std::exp(log_choose + true_ones * e - k * std::log1p(std::exp(e))) * -std::expm1(epsilon - loss);
  }
  return sum;
}

TEST(Pld, RandomizedResponsesAreABinomial) {
  for (const double e : {0.05, 0.7, 3.0}) {
    for (const int k : {2, 13, 400}) {
      const Event event = Event::repeated(Event::randomized_response(e, 2), k);
      for (const double delta : {0.05, 1e-5, 1e-8}) {
        const PldBounds bounds = pld_epsilon(event, kReplace, delta);
        EXPECT_LE(bounds.upper - bounds.lower, tolerance(bounds.lower)) << e << " " << k << " " << delta;
        EXPECT_LE(binomial_delta(e, k, bounds.upper), delta * (1 + 1e-9)) << e << " " << k << " " << delta;
        if (bounds.lower > 0) {
          EXPECT_GE(binomial_delta(e, k, bounds.lower), delta * (1 - 1e-9)) << e << " " << k << " " << delta;
        }
      }
      for (const double epsilon : {0.0, e, 3 * e}) {
        const PldBounds bounds = pld_delta(event, kReplace, epsilon);
        const double exact = binomial_delta(e, k, epsilon);
        EXPECT_LE(bounds.lower, exact * (1 + 1e-9) + 1e-15) << e << " " << k << " " << epsilon;
        EXPECT_GE(bounds.upper, exact * (1 - 1e-9)) << e << " " << k << " " << epsilon;
        EXPECT_LE(bounds.upper, exact * 1.01 + 1e-12) << e << " " << k << " " << epsilon;
      }
    }
  }
}

// A Laplace, a randomised response and a Gaussian in one plan: delta of the Gaussian in closed form, averaged
// over the other two losses.
TEST(Pld, KindsMixInOnePlan) {
  const double laplace = 0.8, coin = 0.5, mu = 0.6;
  const auto cdf = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const auto gaussian = [&](double x) { return cdf(mu / 2 - x / mu) - std::exp(x) * cdf(-mu / 2 - x / mu); };
  for (const double epsilon : {0.2, 1.0, 2.0}) {
    double exact = 0;
    for (const double sign : {1, -1}) {
      const double mass = 1 / (1 + std::exp(-sign * coin)), left = epsilon - sign * coin;
      exact += mass * (gaussian(left - laplace) + std::exp(-laplace) * gaussian(left + laplace)) / 2;
      constexpr int kPieces = 20000;
      for (int i = 0; i < kPieces; ++i) {
        const double l = laplace * (2 * (i + 0.5) / kPieces - 1);
        exact += mass * 2 * laplace / kPieces * std::exp((l - laplace) / 2) / 4 * gaussian(left - l);
      }
    }
    const Event plan = Event::composed(
        {Event::laplace(2 / laplace), Event::randomized_response(coin, 2), Event::gaussian(2 / mu)});
    const PldBounds bounds = pld_delta(plan, kReplace, epsilon);
    EXPECT_LE(bounds.lower, exact * (1 + 1e-6));
    EXPECT_GE(bounds.upper, exact * (1 - 1e-6));
    EXPECT_LE(bounds.upper - bounds.lower, 0.003 * exact);
  }
}

// Many releases of each kind: never above Renyi (but for the width), and a lower bound that is one.
TEST(Pld, PureReleasesAreNeverAboveRenyi) {
  for (const double e : {0.01, 0.3, 2.0}) {
    for (const int64_t steps : {1, 30, 3000}) {
      for (const double delta : {0.1, 1e-6, 1e-12}) {
        for (const Event& one : {Event::laplace(1 / e), Event::discrete_laplace(3 / e, 3),
                                 Event::randomized_response(e, 4), Event::exponential_mechanism(e)}) {
          const Event event = Event::repeated(one, steps);
          const PldBounds bounds = pld_epsilon(event, kReplace, delta);
          EXPECT_LE(bounds.upper, rdp_epsilon(event, kReplace, delta) * (1 + 1e-3) + 1e-3) << event.to_json();
          EXPECT_GE(bounds.lower, 0);
          EXPECT_LE(bounds.lower, bounds.upper);
          if (one.kind() == Event::Kind::kExponentialMechanism) continue;
          EXPECT_LE(bounds.upper - bounds.lower, tolerance(bounds.lower)) << event.to_json() << " " << delta;
        }
      }
    }
  }
}

// The lower bound of exponential mechanisms is attained by two outcomes whose utilities move against each
// other: for symmetric ones that is a randomised response of two values.
TEST(Pld, ExponentialMechanismsEncloseWhatTheyAttain) {
  const Event event = Event::repeated(Event::exponential_mechanism(0.4), 200);
  const Event attained =
      Event::repeated(Event::randomized_response(0.4, 2), 200);  // under replace-one, range 0.8
  const PldBounds bounds = pld_epsilon(event, kReplace, 1e-6);
  EXPECT_GE(bounds.upper, pld_epsilon(attained, kReplace, 1e-6).lower);
  EXPECT_LE(bounds.upper, 1.1 * bounds.lower);
}

TEST(Pld, ACurveSharesItsCompositions) {
  const Event event = Event::composed({sgd(0.01, 1, 1000), Event::repeated(Event::laplace(20), 30)});
  PldCurve curve(event, kAdd);
  double before = INFINITY;
  for (const double delta : {1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2}) {
    const PldBounds shared = curve.epsilon(delta), alone = pld_epsilon(event, kAdd, delta);
    EXPECT_LE(shared.upper - shared.lower, tolerance(shared.lower)) << delta;
    EXPECT_LE(shared.lower, alone.upper) << delta;
    EXPECT_GE(shared.upper, alone.lower) << delta;
    EXPECT_LT(shared.lower, before);
    before = shared.lower;
    const PldBounds back = curve.delta(shared.upper);
    EXPECT_LE(back.lower, delta);
    EXPECT_GE(back.upper, delta * 0.99);
  }
}

// By its definition: one release with next to no noise tells for certain whether the unit was drawn, so that
// delta is q at every epsilon that is not large, and 1 - (1 - q)^n for n of them at 0.
TEST(Pld, DrawsCostAtMostTheChanceOfBeingDrawn) {
  constexpr double kRate = 0.01;
  for (const Relation relation : {kAdd, Relation::kZeroOut, kReplace})
    for (const int64_t steps : {1, 300}) {
      const double drawn = -std::expm1(static_cast<double>(steps) * std::log1p(-kRate));
      const Event loud = sgd(kRate, 0.05, steps);
      const PldBounds at_zero = pld_delta(loud, relation, 0);
      EXPECT_GE(at_zero.upper, drawn * (1 - 1e-9)) << steps;
      EXPECT_LE(at_zero.upper, drawn * (1 + 1e-9)) << steps;
      EXPECT_LE(at_zero.lower, at_zero.upper);
      EXPECT_EQ(pld_epsilon(loud, relation, drawn * (1 + 1e-9)).upper, 0) << steps;
      EXPECT_GT(pld_epsilon(loud, relation, drawn * 0.99).upper, 1) << steps;
      // Of a plan with a release that is of everybody this says nothing.
      const Event also = Event::composed({loud, Event::gaussian(1)});
      if (steps == 1) {
        EXPECT_GT(pld_epsilon(also, relation, drawn * (1 + 1e-9)).upper, 0.5);
      }
    }
}

// Plans of rare draws: far below the chance of a draw, close, and not after minutes (whose time is no
// test's).
TEST(Pld, RareDraws) {
  const PldBounds many = pld_epsilon(sgd(1e-6, 1, 1000000), kAdd, 1e-12);
  EXPECT_LE(many.upper - many.lower, 1e-3);
  // By the central limit theorem about a Gaussian of mu = sqrt(n q^2 (e - 1)), a little skewed.
  const double mu = 1e-3 * std::sqrt(std::exp(1.0) - 1);
  const double about = pld_epsilon(Event::gaussian(1 / mu), kAdd, 1e-12).upper;
  EXPECT_NEAR(many.upper, about, 0.1 * about);
  const double rate = 2e-6, noise = 0.5, epsilon = 0.02;
  const LossPair pair(LossPair::Direction::kRemove, rate, noise);
  constexpr int64_t steps = 300;
  for (const Relation relation : {kAdd, kReplace}) {
    const PldBounds bounds = pld_delta(sgd(rate, noise, steps), relation, epsilon);
    EXPECT_LE(bounds.upper - bounds.lower, 1e-3 * bounds.upper) << steps;
    // One hit at a time: n times the delta of one release, with epsilon moved by what the others lose, a
    // few standard deviations sqrt(n q^2 (e^4 - 1)) = 1.5e-5 sqrt(n).
    const auto one = [&](double at) {
      const LossPair::Masses above = pair.between(pair.threshold(at), INFINITY);
      return static_cast<double>(steps) * (above.p - std::exp(at) * above.q);
    };
    const double moved = 8e-5 * std::sqrt(static_cast<double>(steps));
    EXPECT_LE(bounds.lower, one(epsilon - moved)) << steps;
    EXPECT_GE(bounds.upper, one(epsilon + moved)) << steps;
  }
}

TEST(Pld, AttackerAgainstAGaussian) {
  const auto cdf = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const std::vector<double> rates = {1e-6, 1e-3, 0.02, 0.3, 0.9};
  for (const double mu : {0.2, 1.0, 3.0}) {
    const std::vector<double> alone = attacker_tradeoff(Event::gaussian(1 / mu), kAdd, rates);
    // Among sampled releases that hardly matter it goes through the grid.
    const Event mixed =
        Event::composed({Event::gaussian(1 / mu), Event::poisson_sampled(1e-7, Event::gaussian(3))});
    const std::vector<double> grid = attacker_tradeoff(mixed, kAdd, rates);
    for (size_t i = 0; i < rates.size(); ++i) {
      const double z = -std::sqrt(2.0) * boost::math::erfc_inv(2 * rates[i]), exact = cdf(z + mu);
      EXPECT_NEAR(alone[i] / exact, 1, 1e-6) << mu << " " << rates[i];
      EXPECT_GE(grid[i], exact * (1 - 1e-9)) << mu << " " << rates[i];
      EXPECT_LE(grid[i], exact * 1.01) << mu << " " << rates[i];
    }
  }
}

TEST(Pld, AttackerAgainstARandomizedResponse) {
  const double e = 1.3, truth = 1 / (1 + std::exp(-e));
  const std::vector<double> rates = {0, 0.01, 1 - truth, 0.5, truth, 0.95, 1};
  const std::vector<double> found = attacker_tradeoff(Event::randomized_response(e, 2), kReplace, rates);
  for (size_t i = 0; i < rates.size(); ++i) {
    const double f = rates[i], exact = std::min(std::exp(e) * f, 1 - std::exp(-e) * (1 - f));
    EXPECT_GE(found[i], exact - 1e-9) << f;
    EXPECT_LE(found[i], exact * 1.002 + 1e-9) << f;
  }
  EXPECT_THROW(attacker_tradeoff(Event::laplace(1), kAdd, {-0.1}), Error);
  EXPECT_THROW(attacker_tradeoff(Event::laplace(1), kAdd, {1.1}), Error);
  EXPECT_THROW(attacker_tradeoff(Event::discrete_gaussian(1), kAdd, {0.1}), Error);
  // A plain (epsilon, delta) release: its two lines.
  EXPECT_NEAR(attacker_tradeoff(Event::epsilon_delta(1, 0.01), kAdd, {0.1})[0], 0.01 + std::exp(1) * 0.1,
              1e-9);
  EXPECT_NEAR(attacker_tradeoff(Event::epsilon_delta(1, 0.01), kAdd, {0.9})[0],
              1 - std::exp(-1) * (0.99 - 0.9), 1e-9);
}

ErrorKind refusal(const Event& event, double delta) {
  try {
    pld_epsilon(event, kAdd, delta);
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "accepted";
  return ErrorKind::kInterrupted;
}

TEST(Pld, Refusals) {
  for (const double delta : {0.0, 1.0, -1e-5, std::nan("")})
    EXPECT_EQ(refusal(Event::gaussian(1), delta), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal(Event::discrete_gaussian(1), 1e-5), ErrorKind::kUnsupported);
  EXPECT_EQ(refusal(Event::poisson_sampled(0.1, Event::discrete_gaussian(1)), 1e-5), ErrorKind::kUnsupported);
  EXPECT_EQ(refusal(Event::composed({Event::epsilon_delta(0, 1e-4), Event::gaussian(1)}), 1e-5),
            ErrorKind::kInvalidArgument);
  EXPECT_THROW(pld_delta(Event::gaussian(1), kAdd, -1), Error);
  // Nothing certain to say: refused, never a number that is not a bound.
  EXPECT_EQ(refusal(sgd(0.5, 1e-5, 3), 1e-5), ErrorKind::kUnsupported);
  EXPECT_EQ(refusal(Event::composed({Event::repeated(Event::gaussian(1e-6), 1000), sgd(0.5, 1, 3)}), 1e-5),
            ErrorKind::kUnsupported);
  EXPECT_EQ(refusal(sgd(0.5, 10, int64_t{1} << 53), 1e-5), ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace discreet
