#include "discreet/accounting/inverted_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/accounting/pld.h"

namespace discreet {
namespace {

using Direction = LossPair::Direction;
constexpr Direction kDirections[] = {Direction::kRemove, Direction::kAdd, Direction::kReplace};
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double normal_cdf(double x) {
  return std::erfc(-x / std::sqrt(2.0)) / 2;
}

// Balle and Wang 2018, Theorem 8.
double gaussian_delta(double mu, double epsilon) {
  return normal_cdf(mu / 2 - epsilon / mu) - std::exp(epsilon) * normal_cdf(-mu / 2 - epsilon / mu);
}

TEST(InvertedLoss, HasTheClosedFormOfPlainGaussians) {
  for (const double mu : {0.05, 0.5, 1.0, 3.0})
    for (const double epsilon : {0.3 * mu, mu, 3 * mu}) {
      const double delta = gaussian_delta(mu, epsilon);
      for (const double width : {0.0, 1e-4}) {
        const auto sum = InvertedLoss::at_epsilon({{}, mu * mu}, epsilon, width, kUnknown);
        ASSERT_TRUE(sum) << mu;
        EXPECT_LE(sum->delta_lower(epsilon), delta * (1 + 1e-9));
        EXPECT_GE(sum->delta_upper(epsilon), delta * (1 - 1e-9));
        EXPECT_LE(sum->epsilon_lower(delta), epsilon * (1 + 1e-9));
        EXPECT_GE(sum->epsilon_upper(delta), epsilon * (1 - 1e-9));
        EXPECT_LE(sum->epsilon_upper(delta) - sum->epsilon_lower(delta),
                  width == 0 ? 1e-6 * (1 + epsilon) : 3 * width)
            << mu << " " << epsilon;
      }
    }
}

// Far from where it was inverted the bounds are wide, and hold.
TEST(InvertedLoss, HoldsAtEveryEpsilon) {
  const auto sum = InvertedLoss::at_delta({{}, 1.0}, 1e-5, 0, kUnknown);
  ASSERT_TRUE(sum);
  for (double epsilon = 0; epsilon < 40; epsilon += 0.25) {
    const double delta = gaussian_delta(1, epsilon);
    EXPECT_LE(sum->delta_lower(epsilon), delta * (1 + 1e-9) + 1e-300) << epsilon;
    EXPECT_GE(sum->delta_upper(epsilon), delta * (1 - 1e-9)) << epsilon;
  }
}

// With q sampled at two rates, and with a plain Gaussian in it: the grid's certified bounds are another way.
TEST(InvertedLoss, OverlapsAnotherWayForMixedPlans) {
  const Event mixed = Event::composed(
      {Event::repeated(Event::poisson_sampled(0.05, Event::gaussian(2)), 300),
       Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(0.9)), 900), Event::gaussian(5)});
  // A Laplace of next to no loss sends the plan to the grid.
  const Event by_grid = Event::composed({mixed, Event::laplace(1e7)});
  for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne}) {
    const PldBounds exact = pld_epsilon(mixed, relation, 1e-6), grid = pld_epsilon(by_grid, relation, 1e-6);
    EXPECT_LT(exact.upper - exact.lower, 1e-6);
    EXPECT_GT(grid.upper - grid.lower, 1e-6);
    EXPECT_LE(exact.lower, grid.upper);
    EXPECT_GE(exact.upper, grid.lower - 1e-6);
  }
}

// The two added releases bound the plan without them from both sides, closer as they shrink.
TEST(InvertedLoss, BoundsFewReleasesByAddingOne) {
  GaussianLosses losses;
  losses.sampled.emplace_back(LossPair(Direction::kRemove, 0.0064, 1.03), 2);
  constexpr double kDelta = 1.9e-5;
  // delta of two releases by its definition, a double sum over outcomes.
  const LossPair& pair = losses.sampled[0].first;
  const auto slow_delta = [&](double epsilon) {
    constexpr int kSteps = 4000;
    const double low = -9, step = 20.0 / kSteps;
    std::vector<double> loss(kSteps), p(kSteps);
    for (int i = 0; i < kSteps; ++i) {
      const double t = low + (i + 0.5) * step;
      loss[i] = pair.loss(t);
      p[i] = pair.densities(t).p * step;
    }
    double sum = 0;
    for (int i = 0; i < kSteps; ++i)
      for (int k = 0; k < kSteps; ++k)
        if (loss[i] + loss[k] > epsilon) sum += p[i] * p[k] * -std::expm1(epsilon - loss[i] - loss[k]);
    return sum;
  };
  double before = std::numeric_limits<double>::infinity();
  for (const double width : {1e-3, 2e-4, 4e-5}) {
    const auto sum = InvertedLoss::at_delta(losses, kDelta, width, kUnknown);
    ASSERT_TRUE(sum);
    const double lower = sum->epsilon_lower(kDelta), upper = sum->epsilon_upper(kDelta);
    EXPECT_GE(slow_delta(lower), kDelta * (1 - 1e-5));
    EXPECT_LE(slow_delta(upper), kDelta * (1 + 1e-5));
    EXPECT_LT(upper - lower, before / 2);
    before = upper - lower;
  }
  EXPECT_LT(before, 5e-4);
}

// The rare part is the whole less what is common, where rounding lets one see it.
TEST(LossSpectrum, RareOutcomesAreTheWholeWithoutTheCommonOnes) {
  GaussianLosses losses;
  losses.sampled.emplace_back(LossPair(Direction::kRemove, 0.01, 0.8), 40);
  losses.sampled.emplace_back(LossPair(Direction::kReplace, 0.03, 1.5), 10);
  const std::vector<OutcomeCut> cuts = {{2.5, 0.2}, {1.5, 0.3}};
  constexpr double kTilt = 3, kStride = 2;
  constexpr size_t kCount = 8;
  const LossSpectrum whole = whole_spectrum(losses, kTilt, kStride, kCount),
                     rare = rare_spectrum(losses, cuts, kTilt, kStride, kCount);
  LossSpectrum common;
  common.value.assign(kCount + 1, 1);
  for (size_t i = 0; i < losses.sampled.size(); ++i) {
    const auto& [pair, times] = losses.sampled[i];
    const TiltedLoss loss(pair, kTilt, kStride * kCount, TiltedLoss::Part::kCommon, cuts[i]);
    common.log_scale += times * loss.log_moment();
    common.mean += times * loss.mean();
    const auto psi = loss.transform(kStride, kCount);
    for (size_t n = 1; n <= kCount; ++n) common.value[n] *= std::pow(psi[n - 1], times);
  }
  for (size_t n = 0; n <= kCount; ++n) {
    const auto at = [&](const LossSpectrum& spectrum) {
      return spectrum.value[n] * std::exp(spectrum.log_scale) *
             std::polar(1.0, static_cast<double>(n) * kStride * spectrum.mean);
    };
    EXPECT_LE(std::abs(at(rare) - (at(whole) - at(common))), 1e-11 * std::exp(whole.log_scale)) << n;
    EXPECT_LE(rare.error[n], 1e-10);
  }
}

// Few hits in many releases, and a delta far below their probability.
TEST(InvertedLoss, SeesRareOutcomes) {
  GaussianLosses losses;
  losses.sampled.emplace_back(LossPair(Direction::kRemove, 3.3e-6, 0.47), 384);
  constexpr double kDelta = 3.7e-9;
  const auto sum = InvertedLoss::at_delta(losses, kDelta, 1e-4, kUnknown);
  ASSERT_TRUE(sum);
  const double lower = sum->epsilon_lower(kDelta), upper = sum->epsilon_upper(kDelta);
  EXPECT_LT(upper - lower, 1e-3);
  // One release at a time passes epsilon but for about count^2 rate^2: delta is count times that of one,
  // where the other ones' losses, each below 1e-4, move epsilon by at most 0.01 to either side.
  const LossPair& pair = losses.sampled[0].first;
  const auto one = [&](double epsilon) {
    const double t = pair.threshold(epsilon);
    const LossPair::Masses above = pair.between(t, std::numeric_limits<double>::infinity());
    return 384 * (above.p - std::exp(epsilon) * above.q);
  };
  EXPECT_GE(one(lower - 0.01), kDelta * 0.99);
  EXPECT_LE(one(upper + 0.01), kDelta * 1.01);
}

// What the added release adds to (1 - e^u)^+, by its Black-Scholes price: nowhere more than r of the wider
// one.
TEST(InvertedLoss, NarrowBumpIsAtMostTheRatioOfTheWideOne) {
  const auto bump = [](double u, double mu) {
    const double d = -u / mu + mu / 2;
    return normal_cdf(d) - std::exp(u) * normal_cdf(d - mu) - std::max(0.0, -std::expm1(u));
  };
  for (const double narrow : {0.01, 0.1, 0.7})
    for (const double wider : {1.25, 2.0}) {
      const double ratio = std::erf(narrow / std::sqrt(8.0)) / std::erf(wider * narrow / std::sqrt(8.0));
      for (double u = -5 * narrow; u <= 5 * narrow; u += narrow / 7)
        EXPECT_LE(bump(u, narrow), ratio * bump(u, wider * narrow) + 1e-15) << u << " " << narrow;
      EXPECT_NEAR(bump(0, narrow), ratio * bump(0, wider * narrow), 1e-14);
    }
}

// One release of next to no loss: delta(0) is q (2 Phi(1 / (2 s)) - 1), the distance of the two
// distributions.
TEST(InvertedLoss, EndsWhereEpsilonIsNextToNothing) {
  const Event one = Event::repeated(Event::poisson_sampled(1e-7, Event::gaussian(100)), 1);
  const double distance = 1e-7 * std::erf(0.005 / std::sqrt(2.0));
  for (const double epsilon : {0.0, 1e-308}) {
    const PldBounds delta = pld_delta(one, Relation::kAddOrRemoveOne, epsilon);
    EXPECT_LE(delta.lower, distance * (1 + 1e-9));
    EXPECT_GE(delta.upper, distance * (1 - 1e-9));
  }
}

// Without tails: delta(epsilon) by its definition is between what is left and left_out more.
TEST(InvertedLoss, LeavesOutHeavyTails) {
  constexpr double kRate = 2e-6, kNoise = 0.5, kEpsilon = 0.02;
  for (const Direction direction : {Direction::kRemove, Direction::kReplace})
    for (const double share : {1e-3, 5e-5}) {
      GaussianLosses losses;
      losses.sampled.emplace_back(LossPair(direction, kRate, kNoise), 1);
      // delta of one release: P - e^epsilon Q above the threshold.
      const LossPair& pair = losses.sampled[0].first;
      const LossPair::Masses above =
          pair.between(pair.threshold(kEpsilon), std::numeric_limits<double>::infinity());
      const double delta = above.p - std::exp(kEpsilon) * above.q;
      const GaussianLosses without = without_tails(losses, share * delta);
      EXPECT_LE(without.left_out, share * delta);
      EXPECT_GE(without.left_out, 0.9 * share * delta);
      const auto sum = InvertedLoss::at_epsilon(without, kEpsilon, 3e-6, delta);
      ASSERT_TRUE(sum);
      const double lower = sum->delta_lower(kEpsilon), upper = sum->delta_upper(kEpsilon);
      EXPECT_LE(lower, delta * (1 + 1e-9));
      EXPECT_GE(upper, delta * (1 - 1e-9));
      EXPECT_LE(upper - lower, (share + 4e-3) * delta);
    }
}

// What is left out is what the cut leaves of P, by many small steps.
TEST(LossSpectrum, CountsWhatTailsHold) {
  for (const Direction direction : kDirections) {
    GaussianLosses losses;
    losses.sampled.emplace_back(LossPair(direction, 0.01, 0.8), 40);
    losses.sampled.emplace_back(LossPair(direction, 0.3, 1.5), 10);
    const GaussianLosses without = without_tails(losses, 1e-4);
    double slow = 0;
    constexpr double kStep = 1e-4;
    for (size_t i = 0; i < losses.sampled.size(); ++i)
      for (double t = -9; t < 12; t += kStep)
        slow += losses.sampled[i].second * kStep * losses.sampled[i].first.densities(t).p *
                std::erfc((without.top(i).at - t) / without.top(i).width) / 2;
    EXPECT_GE(without.left_out, slow * (1 - 1e-7));
    EXPECT_LE(without.left_out, slow * (1 + 1e-7));
    EXPECT_LE(without.left_out, 1e-4);
    if (direction == Direction::kAdd) {
      EXPECT_EQ(without.left_out, 0);
    }
  }
}

// In extended precision: a frequency times a sum of two products, and a sum of many terms whose roundings all
// go one way.
TEST(InvertedLoss, BoundsTheRoundingOfTerms) {
  constexpr double kUnit = 0x1p-50, kFrequency = 10, kPeriod = 1;
  double most = 0;
  for (int i = 1; i < 200; ++i) {
    const double count = 1000003.0 + i, each = 0.1 / i, other = 0.037 * i;
    const double mean = count * each + count * other;
    const long double exact =
        static_cast<long double>(count) * each + static_cast<long double>(count) * other;
    const double error = kFrequency * static_cast<double>(std::abs(mean - exact)),
                 bound = kUnit * term_rounding(0, kFrequency, kPeriod, mean, 2, 0);
    EXPECT_LE(error, bound) << i;
    most = std::max(most, error);
  }
  EXPECT_GT(most, 100 * kUnit * term_rounding(0, kFrequency, kPeriod, 0, 2, 0));  // so that it had to count
  constexpr size_t kCount = 100000;
  double sum = 1;
  for (size_t i = 0; i < kCount; ++i) sum += 0x1p-54;
  const double error = static_cast<double>(1 + kCount * 0x1p-54L - sum);
  EXPECT_LE(error, kUnit * term_rounding(0, 0, kPeriod, 0, 1, kCount));
  EXPECT_GT(error, 100 * kUnit * term_rounding(0, 0, kPeriod, 0, 1, 0));
}

TEST(InvertedLoss, DeclinesWhatItsTransformDoesNotSuit) {
  GaussianLosses one;
  one.sampled.emplace_back(LossPair(Direction::kRemove, 0.3, 0.4), 1);
  EXPECT_FALSE(InvertedLoss::at_delta(one, 1e-5, 0, kUnknown));
  GaussianLosses loud;
  loud.sampled.emplace_back(LossPair(Direction::kRemove, 0.5, 1e-4), 10);
  EXPECT_FALSE(InvertedLoss::at_delta(loud, 1e-5, 0, kUnknown));
  EXPECT_FALSE(InvertedLoss::at_delta(loud, 1e-5, 1e-4, kUnknown));
}

}  // namespace
}  // namespace discreet
