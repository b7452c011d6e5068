#include "discreet/accounting/loss_grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace discreet {
namespace {

using Direction = LossPair::Direction;

double cdf(double x) {
  return std::erfc(-x / std::sqrt(2.0)) / 2;
}

// The independent path: delta of one release in closed form, P[t > u] - e^epsilon Q[t > u], where u is the
// outcome at which the loss is epsilon.
double exact_delta(const LossPair& pair, double q, double epsilon) {
  const double u = pair.threshold(epsilon), s = pair.shift();
  if (std::isinf(u)) return u > 0 ? 0 : 1 - std::exp(epsilon);
  const double middle = cdf(-u), up = cdf(s - u), down = cdf(-s - u);
  switch (pair.direction()) {
    case Direction::kRemove: return (1 - q) * middle + q * up - std::exp(epsilon) * middle;
    case Direction::kAdd: return middle - std::exp(epsilon) * ((1 - q) * middle + q * down);
    case Direction::kReplace:
      return (1 - q) * middle + q * up - std::exp(epsilon) * ((1 - q) * middle + q * down);
  }
  return 0;
}

double delta_of(const LossGrid& grid, double epsilon) {
  double sum = grid.infinite;
  for (size_t i = 0; i < grid.mass.size(); ++i) {
    const double loss = grid.first + static_cast<double>(i) * grid.step;
    if (loss > epsilon) sum += grid.mass[i] * -std::expm1(epsilon - loss);
  }
  return sum;
}

class LossGridTest : public testing::TestWithParam<std::tuple<Direction, double, double, double>> {};

TEST_P(LossGridTest, ThresholdIsTheInverseOfLoss) {
  const auto [direction, q, noise, step] = GetParam();
  const LossPair pair(direction, q, noise);
  double before = -INFINITY;
  for (double t = -7; t < 7; t += 0.37) {
    EXPECT_GE(pair.loss(t), before);
    before = pair.loss(t);
    if (std::abs(pair.loss(t + 0.1) - before) < 1e-9) continue;  // flat: no inverse in doubles
    EXPECT_NEAR(pair.threshold(before), t, 1e-4) << t;
    EXPECT_NEAR(pair.loss(pair.threshold(before)), before, 1e-12 * (1 + std::abs(before))) << t;
  }
}

// The density ratio is the loss: masses of a narrow interval.
TEST_P(LossGridTest, LossIsTheLogarithmOfTheRatio) {
  const auto [direction, q, noise, step] = GetParam();
  const LossPair pair(direction, q, noise);
  for (double t = -6; t < 7; t += 0.61) {
    const auto [p, m] = pair.between(t - 1e-5, t + 1e-5);
    EXPECT_NEAR(std::log(p / m), pair.loss(t), 1e-7);
    const auto densities = pair.densities(t);
    EXPECT_NEAR(std::log(densities.p / densities.q), pair.loss(t), 1e-12);
    EXPECT_NEAR(p / 2e-5 / densities.p, 1, 1e-7);
  }
}

// Upper above, lower below the closed form at every epsilon, and both near it.
TEST_P(LossGridTest, TheGridsEncloseTheClosedForm) {
  const auto [direction, q, noise, step] = GetParam();
  const LossPair pair(direction, q, noise);
  const LossGrid upper = upper_grid(pair, step, 1e-20), lower = lower_grid(pair, step, 1e-20);
  double sum = upper.infinite, weighted = 0;
  for (size_t i = 0; i < upper.mass.size(); ++i) {
    sum += upper.mass[i];
    weighted += upper.mass[i] * std::exp(-upper.first - static_cast<double>(i) * step);
  }
  EXPECT_NEAR(sum, 1, 1e-10);
  EXPECT_NEAR(weighted, 1, 1e-10);  // connect the dots keeps Q's mass too
  for (double epsilon = -3; epsilon < 12; epsilon += 0.0517) {
    const double exact = exact_delta(pair, q, epsilon), slack = 4e-16 * std::max(1.0, std::exp(epsilon));
    EXPECT_GE(delta_of(upper, epsilon), exact - slack) << epsilon;
    EXPECT_LE(delta_of(lower, epsilon), exact + slack) << epsilon;
    const double near = step / 4 + 1e-9;  // a chord over one step
    EXPECT_NEAR(delta_of(upper, epsilon), exact, near * std::max(1.0, std::exp(epsilon))) << epsilon;
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, LossGridTest,
                         testing::Combine(testing::Values(Direction::kRemove, Direction::kAdd,
                                                          Direction::kReplace),
                                          testing::Values(0.001, 0.1, 0.9), testing::Values(0.6, 1.5, 20.0),
                                          testing::Values(0.01, 0.003)));

INSTANTIATE_TEST_SUITE_P(Unsampled, LossGridTest,
                         testing::Combine(testing::Values(Direction::kRemove, Direction::kAdd),
                                          testing::Values(1.0), testing::Values(0.6, 5.0),
                                          testing::Values(0.01)));

}  // namespace
}  // namespace discreet
