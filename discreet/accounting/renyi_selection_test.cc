#include "discreet/accounting/renyi_selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace discreet {
namespace {

// Randomised response of two values, whose better one is the second: the selection in closed form.
struct Coin {
  double p, q;  // of the second value under either data set
  double one_way(double order) const {
    return std::log(std::pow(p, order) * std::pow(q, 1 - order) +
                    std::pow(1 - p, order) * std::pow(1 - q, 1 - order)) /
           (order - 1);
  }
  double renyi(double order) const { return std::max(one_way(order), Coin{q, p}.one_way(order)); }
};

// Renyi divergence of the selection itself: f is the probability generating function of the number of trials,
// and the best of T results is at most the first value with probability f(1 - p).
double attained(const Coin& coin, const std::function<double(double)>& f, double order) {
  const double none = f(0);
  const std::vector<double> a = {none, f(1 - coin.p) - none, 1 - f(1 - coin.p)},
                            b = {none, f(1 - coin.q) - none, 1 - f(1 - coin.q)};
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] > 1e-300) sum += a[i] * std::pow(a[i] / b[i], order - 1);
  return std::log(sum) / (order - 1);
}

std::function<double(double)> generating(const Trials& trials) {
  if (trials.distribution() == Trials::Distribution::kPoisson)
    return [m = trials.mean()](double x) { return std::exp(m * (x - 1)); };
  return [eta = trials.eta(), gamma = trials.gamma()](double x) {
    if (eta == 0) return std::log1p(-(1 - gamma) * x) / std::log(gamma);
    return std::expm1(-eta * std::log1p(-(1 - gamma) * x)) / std::expm1(-eta * std::log(gamma));
  };
}

const std::vector<Trials>& all_trials() {
  static const std::vector<Trials> all = {Trials::poisson(0.01),
                                          Trials::poisson(1),
                                          Trials::poisson(30),
                                          Trials::geometric(0.5),
                                          Trials::geometric(0.01),
                                          Trials::negative_binomial(0, 0.1),
                                          Trials::negative_binomial(-0.5, 0.05),
                                          Trials::negative_binomial(4, 0.2)};
  return all;
}

TEST(RenyiSelection, IsAboveWhatASelectionAttains) {
  for (const Trials& trials : all_trials()) {
    for (const Coin coin : {Coin{0.6, 0.4}, Coin{0.4, 0.6}, Coin{0.01, 0.02}, Coin{0.02, 0.01},
                            Coin{0.99, 0.98}, Coin{0.98, 0.99}, Coin{0.75, 0.25}, Coin{0.25, 0.75}}) {
      const RenyiSelection selection(trials, [&](double order) { return coin.renyi(order); });
      for (const double order : {1.2, 2.0, 5.0, 30.0}) {
        EXPECT_GE(selection.renyi(order) + 1e-12, attained(coin, generating(trials), order))
            << trials.mean() << " " << coin.p << " " << coin.q << " " << order;
      }
    }
  }
}

// The theorems' formulas, term by term, for one Gaussian of multiplier 2.
TEST(RenyiSelection, IsTheTheorem) {
  const auto one = [](double order) { return order / 8; };
  for (const Trials& trials : all_trials()) {
    const RenyiSelection selection(trials, one);
    for (const double order : {1.5, 3.0, 12.0}) {
      double expected = INFINITY;
      if (trials.distribution() == Trials::Distribution::kPoisson) {
        const double epsilon = std::log1p(1 / (order - 1));
        double delta = 1;
        for (double t = -6; t < 8; t += 0.001) {
          const double a = 1 + std::exp(t);
          delta = std::min(delta, std::exp((a - 1) * (one(a) - epsilon + std::log1p(-1 / a))) / a);
        }
        const double some = trials.mean() * std::exp((order - 1) * (one(order) + trials.mean() * delta));
        expected = std::log(std::exp(-trials.mean()) + some) / (order - 1);
      } else {
        for (double t = -6; t < 8; t += 0.001) {
          const double a = 1 + std::exp(t);
          expected = std::min(expected,
                              one(order) +
                                  (1 + trials.eta()) * ((1 - 1 / a) * one(a) - std::log(trials.gamma()) / a) +
                                  std::log(trials.mean()) / (order - 1));
        }
      }
      if (std::isinf(expected)) continue;  // overflow of this test's own powers
      const double ours = selection.renyi(order);
      EXPECT_GE(ours, expected * (1 - 1e-9)) << trials.mean() << " " << order;
      EXPECT_LE(ours, expected * 1.01) << trials.mean() << " " << order;  // its orders are a tenth apart
    }
  }
}

}  // namespace
}  // namespace discreet
