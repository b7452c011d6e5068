#include "discreet/accounting/plain_gaussian.h"

#include <gtest/gtest.h>

namespace discreet {
namespace {

// By mpmath 1.3 with 50 digits: ncdf(mu/2 - e/mu) - exp(e) ncdf(-mu/2 - e/mu).
TEST(PlainGaussian, ContainsTheSlowPath) {
  const struct {
    double mu, epsilon, delta, width;
  } cases[] = {
      {1e-9, 0, 3.9894228040143270277e-10, 1e-4},   {1e-9, 5e-9, 5.3461655471982350654e-17, 1},
      {1e-3, 4e-3, 7.1595624349382469315e-9, 1e-7}, {1, 0, 0.38292492254802620728, 1e-13},
      {1, 6, 2.7878597637636821884e-9, 1e-11},      {3, 20, 4.2247546167694100861e-8, 1e-11},
      {100, 4500, 0.99999969770048247871, 1e-10},   {100, 5430, 8.1704744509634730512e-6, 1e-8},
      {30, 500, 0.044652092298350787049, 1e-10},    {100, 5600, 9.2927309557799533783e-10, 1e-7},
  };
  for (const auto& at : cases) {
    const auto [lower, upper] = plain_gaussian_delta(at.mu, at.epsilon);
    EXPECT_LE(lower, at.delta) << at.mu << " " << at.epsilon;
    EXPECT_GE(upper, at.delta) << at.mu << " " << at.epsilon;
    EXPECT_LE(upper - lower, at.width * at.delta) << at.mu << " " << at.epsilon;
    const auto [least, most] = plain_gaussian_epsilon(at.mu, at.delta);
    EXPECT_LE(least, at.epsilon * (1 + 1e-15));
    EXPECT_GE(most, at.epsilon * (1 - 1e-15));
    EXPECT_LE(most - least, 1e-6 * at.epsilon + 1e-12);
  }
}

}  // namespace
}  // namespace discreet
