#include "discreet/accounting/trials.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

// The mean by its definition: Pr[k] in proportion to (1 - gamma)^k (eta)(eta + 1)...(eta + k - 1) / k!.
double mean_by_summing(double eta, double gamma) {
  double weight = 1 - gamma, all = 0, mean = 0;  // for k = 1, without the factor eta that all terms have
  for (double k = 1; k < 4000; ++k) {
    all += weight;
    mean += k * weight;
    weight *= (1 - gamma) * (eta + k) / (k + 1);
  }
  return mean / all;
}

TEST(Trials, MeanOfNegativeBinomial) {
  for (const double eta : {-0.9, -0.5, -1e-9, 0., 1e-9, 0.3, 1., 2.5, 20.}) {
    for (const double gamma : {0.05, 0.3, 0.9}) {
      EXPECT_NEAR(Trials::negative_binomial(eta, gamma).mean() / mean_by_summing(eta, gamma), 1, 1e-7)
          << eta << " " << gamma;
    }
  }
  EXPECT_NEAR(Trials::geometric(0.2).mean(), 5, 1e-12);
  EXPECT_EQ(Trials::poisson(5).mean(), 5);
}

}  // namespace
}  // namespace discreet
