#include "discreet/accounting/renyi_fixed_size_gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace discreet {
namespace {

// Theorem 9 for a whole order, term by term in extended precision.
double by_theorem(double q, double noise, int order) {
  const auto e = [&](double a) { return 2 * a / (noise * noise); };
  long double sum = 1, choose = order;
  for (int j = 2; j <= order; ++j) {
    choose *= static_cast<long double>(order - j + 1) / j;
    const long double factor = j == 2 ? std::min(4 * std::expm1(e(2)), 2 * std::exp(e(2)))
                                      : 2 * std::exp(static_cast<long double>((j - 1) * e(j)));
    sum += std::pow(static_cast<long double>(q), j) * choose * factor;
  }
  return static_cast<double>(std::log(sum) / (order - 1));
}

TEST(RenyiFixedSizeGaussian, IsTheTheoremAtWholeOrders) {
  for (const auto& [q, noise] : {std::tuple(0.001, 4.0), std::tuple(0.01, 2.0), std::tuple(0.05, 10.0)}) {
    for (const int order : {2, 3, 5, 8, 16}) {
      const double mixture =
          std::log1p(q * std::expm1((order - 1) * 2.0 * order / (noise * noise))) / (order - 1);
      const double expected = std::min(by_theorem(q, noise, order), mixture);
      EXPECT_NEAR(renyi_fixed_size_gaussian(q, noise, order) / expected, 1, 1e-10)
          << q << " " << noise << " " << order;
    }
  }
}

// dp_accounting 0.6.0, which takes the strengthened Theorem 27 and noise in units of 2 C: never more than
// ours, and about as much where the rate is small.
TEST(RenyiFixedSizeGaussian, IsNearTheStrengthenedTheorem) {
  const struct {
    double q, noise, order, theirs;
  } rows[] = {{0.001, 4.0, 2.0, 1.1361010213879566e-06}, {0.001, 4.0, 2.5, 1.5154021177733714e-06},
              {0.001, 4.0, 6.0, 3.415509046223635e-06},  {0.001, 4.0, 16.0, 9.155965321919133e-06},
              {0.01, 2.0, 2.0, 0.0005435086381094331},   {0.01, 2.0, 2.5, 0.0007377513360060864},
              {0.01, 2.0, 6.0, 0.0018141998399960689},   {0.01, 2.0, 16.0, 3.1340609222758506},
              {0.01, 8.0, 2.0, 2.5797450810048217e-05},  {0.01, 8.0, 2.5, 3.444012977545259e-05},
              {0.01, 8.0, 6.0, 7.791059603520805e-05},   {0.01, 8.0, 3.5, 4.656572640690613e-05}};
  for (const auto& row : rows) {
    const double ours = renyi_fixed_size_gaussian(row.q, row.noise, row.order);
    EXPECT_GE(ours, row.theirs * (1 - 1e-9)) << row.q << " " << row.noise << " " << row.order;
    EXPECT_LE(ours, row.theirs * 1.4) << row.q << " " << row.noise << " " << row.order;
  }
}

// What neighbours attain: with the rest of the batch at w, the outputs are (1 - q) N(w) + q N(u) and (1 - q)
// N(w) + q N(v), |u|, |v|, |w| <= 1. The divergence of one such pair, by an integral.
double attained(double q, double noise, double order, double u, double v, double w) {
  const auto density = [&](double x, double mean) {
    return std::exp(-(x - mean) * (x - mean) / (2 * noise * noise));
  };
  double sum = 0, norm = 0;
  const double stride = noise / 200;
  for (double x = -3 - 12 * noise - 2 * order; x < 3 + 12 * noise + 2 * order; x += stride) {
    const double p = (1 - q) * density(x, w) + q * density(x, u),
                 r = (1 - q) * density(x, w) + q * density(x, v);
    if (r > 1e-300) sum += p * std::exp((order - 1) * std::log(p / r));
    norm += density(x, w);
  }
  return std::log(sum / norm) / (order - 1);
}

TEST(RenyiFixedSizeGaussian, IsAboveWhatNeighboursAttain) {
  for (const double q : {0.001, 0.05, 0.3, 0.9}) {
    for (const double noise : {0.7, 2.0, 8.0}) {
      for (const double order : {1.3, 2.0, 2.5, 6.0}) {
        const double ours = renyi_fixed_size_gaussian(q, noise, order);
        for (const auto& [u, v, w] : {std::tuple(1, -1, -1), std::tuple(1, -1, 0), std::tuple(1, -1, 1)})
          EXPECT_GE(ours * (1 + 1e-9) + 1e-12, attained(q, noise, order, u, v, w))
              << q << " " << noise << " " << order;
      }
    }
  }
}

TEST(RenyiFixedSizeGaussian, BetweenNothingAndEverything) {
  for (const double order : {1.01, 1.5, 2.0, 7.3, 100.0, 1e4}) {
    const double everything = 2 * order / 9;
    EXPECT_EQ(renyi_fixed_size_gaussian(0, 3, order), 0);
    EXPECT_NEAR(renyi_fixed_size_gaussian(1, 3, order) / everything, 1, 1e-9);
    double before = 0;
    for (const double q : {1e-6, 1e-3, 0.1, 0.5, 0.999}) {
      const double now = renyi_fixed_size_gaussian(q, 3, order);
      EXPECT_GE(now, before);
      EXPECT_LE(now, everything * (1 + 1e-9));
      before = now;
    }
  }
}

}  // namespace
}  // namespace discreet
