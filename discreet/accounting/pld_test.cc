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
