#include "discreet/accounting/renyi_sampled_gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>

namespace discreet {
namespace {

using Wide = boost::multiprecision::cpp_bin_float_100;
using Long = long double;
constexpr Relation kAdd = Relation::kAddOrRemoveOne, kReplace = Relation::kReplaceOne;

// Mironov, Talwar, Zhang 2019, section 3.3: a finite sum at integer orders, in 100 digits.
double by_binomial_sum(double q, double s, int order) {
  Wide sum = 0, binomial = 1;
  const Wide rate = q, keep = 1 - rate, variance = Wide(s) * s;
  for (int k = 0; k <= order; ++k) {
    sum += binomial * pow(keep, order - k) * pow(rate, k) * exp(Wide(k) * (k - 1) / (2 * variance));
    binomial = binomial * (order - k) / (k + 1);
  }
  return static_cast<double>(log(sum) / (order - 1));
}

// The definition, integrated in long double over panels of two standard deviations.
double by_quadrature(double q, double s, double order, bool replace) {
  const Long rate = q, variance = Long(s) * s, a = order;
  const auto integrand = [&](const Long& x) {
    const Long p = 1 - rate + rate * std::exp((x - 0.5) / variance);
    const Long other = replace ? 1 - rate + rate * std::exp((-x - 0.5) / variance) : Long(1);
    return std::exp(-x * x / (2 * variance)) * std::pow(p, a) * std::pow(other, 1 - a);
  };
  Long sum = 0;
  const double panel = std::min(2 * s, 2 * s * s), end = (replace ? 2 * order : order) + 12 * s;
  for (double x = -1 - 12 * s; x < end; x += panel) {
    sum +=
        boost::math::quadrature::gauss_kronrod<Long, 61>::integrate(integrand, Long(x), Long(x + panel), 0);
  }
  sum /= std::sqrt(2 * boost::math::constants::pi<Long>() * variance);
  return static_cast<double>(std::log(sum) / (a - 1));
}

// Above the true value by no more than rounding; where that is known to 100 digits, never below it.
void expect_just_above(double bound, double truth) {
  EXPECT_GE(bound, truth);
  EXPECT_LE(bound, truth * (1 + 1e-8) + 1e-300);
}

void expect_near(double bound, double truth) {
  EXPECT_NEAR(bound, truth, truth * 1e-7);
}

TEST(RenyiSampledGaussian, EqualsTheBinomialSumAtIntegerOrders) {
  for (const double q : {1e-9, 1e-6, 1e-3, 0.01, 0.3, 0.9, 0.999999}) {
    for (const double s : {0.3, 0.7, 1., 2.5, 30., 1000.}) {
      for (const int order : {2, 3, 8, 33, 128}) {
        SCOPED_TRACE(testing::Message() << q << " " << s << " " << order);
        expect_just_above(renyi_sampled_gaussian(q, s, order, kAdd), by_binomial_sum(q, s, order));
      }
    }
  }
}

TEST(RenyiSampledGaussian, EqualsTheBinomialSumAtALargeOrder) {
  for (const auto& [q, s] :
       {std::pair(1e-3, 0.8), std::pair(0.2, 12.), std::pair(1e-6, 500.), std::pair(0.9, 3.)}) {
    SCOPED_TRACE(testing::Message() << q << " " << s);
    expect_just_above(renyi_sampled_gaussian(q, s, 1500, kAdd), by_binomial_sum(q, s, 1500));
  }
}

TEST(RenyiSampledGaussian, EqualsTheDefinitionAtFractionalOrdersAndForReplaceOne) {
  for (const double q : {1e-3, 0.02, 0.6}) {
    for (const double s : {0.5, 1.3, 20.}) {
      for (const double order : {1.01, 1.5, 4.3, 17.7}) {
        SCOPED_TRACE(testing::Message() << q << " " << s << " " << order);
        expect_near(renyi_sampled_gaussian(q, s, order, kAdd), by_quadrature(q, s, order, false));
        expect_near(renyi_sampled_gaussian(q, s, order, kReplace), by_quadrature(q, s, order, true));
      }
    }
  }
}

// The other direction of add-or-remove-one is smaller (Mironov et al. 2019), so it need not be
// computed.
TEST(RenyiSampledGaussian, TheOtherDirectionIsSmaller) {
  for (const double q : {0.001, 0.1, 0.7}) {
    for (const double s : {0.6, 2.}) {
      for (const double order : {1.5, 6.}) {
        const auto integrand = [&](double x) {
          const double p = 1 - q + q * std::exp((x - 0.5) / (s * s));
          return std::exp(-x * x / (2 * s * s)) * std::pow(p, 1 - order);
        };
        const double mean =
            boost::math::quadrature::gauss_kronrod<double, 61>::integrate(integrand, -40 * s, 40 * s, 12) /
            std::sqrt(2 * M_PI) / s;
        EXPECT_LE(std::log(mean) / (order - 1), renyi_sampled_gaussian(q, s, order, kAdd));
      }
    }
  }
}

// What the header proves, tried: contributions u, v of norm at most 1 in the plane are never worse than 1,
// -1.
TEST(RenyiSampledGaussian, OppositeUnitContributionsAreTheWorstToReplace) {
  using boost::math::quadrature::gauss_kronrod;
  const double q = 0.3, s = 0.9, order = 3.5;
  const double bound = renyi_sampled_gaussian(q, s, order, kReplace);
  for (const double length : {0.5, 1.}) {
    for (const double angle : {0., 0.7, 1.6, 2.5, 3.14159}) {
      const double vx = length * std::cos(angle), vy = length * std::sin(angle);
      const auto at = [&](double x, double y) {
        const double p = 1 - q + q * std::exp((x - 0.5) / (s * s));
        const double r = 1 - q + q * std::exp((vx * x + vy * y - length * length / 2) / (s * s));
        return std::exp(-(x * x + y * y) / (2 * s * s)) * std::pow(p, order) * std::pow(r, 1 - order);
      };
      const double mean = gauss_kronrod<double, 31>::integrate(
                              [&](double x) {
                                return gauss_kronrod<double, 31>::integrate(
                                    [&](double y) { return at(x, y); }, -12., 12., 3, 1e-8);
                              },
                              -12., 14., 3, 1e-8) /
                          (2 * M_PI * s * s);
      EXPECT_LE(std::log(mean) / (order - 1), bound * (1 + 1e-6)) << length << " " << angle;
    }
  }
}

// Between bounds that hold at every order: from below q^a E[(N(1)/N(0))^a], the order before, and (for
// replace) add-or-remove-one; from above the divergence without sampling. Far corners, where something may
// overflow.
TEST(RenyiSampledGaussian, KeepsBetweenItsBoundsEverywhere) {
  for (const double s : {1e-6, 0.05, 0.4, 1., 50., 1e9}) {
    for (const double q : {1e-12, 1e-4, 0.2, 1 - 1e-15}) {
      double former[2] = {0, 0};
      for (double order = 1 + 1e-5; order < 1e10; order = 1 + (order - 1) * 4.7) {
        SCOPED_TRACE(testing::Message() << q << " " << s << " " << order);
        const double add = renyi_sampled_gaussian(q, s, order, kAdd);
        const double replace = renyi_sampled_gaussian(q, s, order, kReplace);
        const double unsampled = order / (2 * s * s);
        ASSERT_GE(add, (unsampled + order / (order - 1) * std::log(q)) * (1 - 1e-12));
        ASSERT_GE(add, former[0] * (1 - 1e-6));
        ASSERT_GE(replace, former[1] * (1 - 1e-6));
        ASSERT_GE(replace, add * (1 - 1e-6));
        ASSERT_LE(add, unsampled * (1 + 1e-11));
        ASSERT_LE(replace, 4 * unsampled * (1 + 1e-11));
        former[0] = add, former[1] = replace;
      }
    }
  }
  EXPECT_GT(renyi_sampled_gaussian(1e-300, 0.05, 1.1, kReplace), 0);  // not lost to underflow
  EXPECT_LT(renyi_sampled_gaussian(1e-300, 0.05, 1.1, kReplace), 1e-280);
  EXPECT_EQ(renyi_sampled_gaussian(0, 1, 2, kAdd), 0);
  expect_just_above(renyi_sampled_gaussian(1, 1, 2, kAdd), 1);
  expect_just_above(renyi_sampled_gaussian(1, 1, 2, kReplace), 4);
}

}  // namespace
}  // namespace discreet
