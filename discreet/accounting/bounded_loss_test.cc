#include "discreet/accounting/bounded_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "discreet/accounting/bounded_loss_grid.h"

namespace discreet {
namespace {

// delta of a discrete Laplace of L1 distance d at epsilon, straight from the two distributions.
double discrete_laplace_delta(double scale, int64_t distance, double epsilon) {
  const double r = std::exp(-1 / scale), norm = (1 - r) / (1 + r);
  double sum = 0;
  for (int64_t x = -400 - distance; x <= 400 + distance; ++x) {
    const double p = norm * std::pow(r, std::abs(static_cast<double>(x)));
    const double q = norm * std::pow(r, std::abs(static_cast<double>(x - distance)));
    sum += std::max(0.0, p - std::exp(epsilon) * q);
  }
  return sum;
}

struct Case {
  std::string name;
  BoundedLoss pair;
  std::function<double(double)> delta;  // the closed form at epsilon in [-E, E]
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const double e : {0.01, 0.7, 3.0, 12.0}) {
    all.push_back({"laplace " + std::to_string(e), BoundedLoss::laplace(e),
                   [e](double x) { return -std::expm1((x - e) / 2); }});
    all.push_back({"bounded range " + std::to_string(e), BoundedLoss::bounded_range(e),
                   [e](double x) { return std::pow(-std::expm1((x - e) / 2), 2) / -std::expm1(-e); }});
    for (const int64_t k : {2, 3, 20}) {
      all.push_back({"randomised response " + std::to_string(e) + " " + std::to_string(k),
                     BoundedLoss::randomized_response(e, k), [e, k](double x) {
                       const double all_values = std::expm1(e) + static_cast<double>(k);
                       return (std::exp(e) - std::exp(x) +
                               static_cast<double>(k - 2) * std::max(0.0, 1 - std::exp(x))) /
                              all_values;
                     }});
    }
    for (const int64_t d : {1, 2, 5}) {
      const double scale = static_cast<double>(d) / e;
      if (scale > 20) continue;  // the direct sum would be cut off
      all.push_back({"discrete laplace " + std::to_string(e) + " " + std::to_string(d),
                     BoundedLoss::discrete_laplace(scale, d),
                     [scale, d](double x) { return discrete_laplace_delta(scale, d, x); }});
    }
  }
  return all;
}

double delta_of(const LossGrid& grid, double epsilon) {
  double sum = grid.infinite;
  for (size_t i = 0; i < grid.mass.size(); ++i) {
    const double loss = grid.first + static_cast<double>(i) * grid.step;
    if (loss > epsilon) sum += grid.mass[i] * -std::expm1(epsilon - loss);
  }
  return sum;
}

double mass_of(const BoundedLoss& pair, double sign) {
  double sum = 4 * pair.density * std::sinh(pair.largest / 2) * std::exp(-pair.largest / 2);
  for (const BoundedLoss::Atom& atom : pair.atoms) sum += atom.mass * std::exp((sign - 1) * atom.loss / 2);
  return sum;
}

TEST(BoundedLoss, IsAPairOfDistributionsThatMirrorEachOther) {
  for (const Case& one : cases()) {
    EXPECT_NEAR(mass_of(one.pair, 1), 1, 1e-12) << one.name;   // P
    EXPECT_NEAR(mass_of(one.pair, -1), 1, 1e-12) << one.name;  // Q = P e^-loss
    const std::vector<BoundedLoss::Atom>& atoms = one.pair.atoms;
    for (size_t i = 0; i < atoms.size(); ++i) {
      const BoundedLoss::Atom& mirror = atoms[atoms.size() - 1 - i];
      EXPECT_NEAR(mirror.loss, -atoms[i].loss, 1e-12) << one.name;
      EXPECT_NEAR(mirror.mass, atoms[i].mass * std::exp(-atoms[i].loss), 1e-12) << one.name;
    }
  }
}

// Upper above, lower below the closed form at every epsilon and any step, and the upper one near it.
TEST(BoundedLoss, TheGridsEncloseTheClosedForm) {
  for (const Case& one : cases()) {
    for (const double share : {0.3, 0.031, 0.001}) {
      const double e = one.pair.largest, step = e * share;
      const LossGrid upper = upper_grid(one.pair, step), lower = lower_grid(one.pair, step);
      for (double x = -e; x <= e; x += e / 97) {
        const double exact = one.delta(x), slack = 1e-13 * std::max(1.0, std::exp(x));
        ASSERT_GE(delta_of(upper, x), exact - slack) << one.name << " " << share << " at " << x;
        ASSERT_LE(delta_of(lower, x), exact + slack) << one.name << " " << share << " at " << x;
        ASSERT_NEAR(delta_of(upper, x), exact, step / 4 + 1e-9) << one.name << " " << share << " at " << x;
        ASSERT_NEAR(delta_of(lower, x), exact, 2 * step + 1e-9) << one.name << " " << share << " at " << x;
      }
    }
  }
}

// The upper grid keeps both masses (so its mean does not drift), the lower one where atoms are on points.
TEST(BoundedLoss, TheGridsKeepBothMasses) {
  for (const Case& one : cases()) {
    const bool atoms_only = one.pair.density == 0;
    const double step = one.pair.spacing > 0 ? one.pair.spacing / 64 : one.pair.largest / 37;
    for (const bool is_upper : {true, false}) {
      const LossGrid grid = is_upper ? upper_grid(one.pair, step) : lower_grid(one.pair, step);
      double p = grid.infinite, q = 0;
      for (size_t i = 0; i < grid.mass.size(); ++i) {
        p += grid.mass[i];
        q += grid.mass[i] * std::exp(-grid.first - static_cast<double>(i) * step);
      }
      EXPECT_NEAR(p, 1, 1e-11) << one.name;
      if (is_upper || atoms_only) {
        EXPECT_NEAR(q, 1, 1e-11) << one.name;
      }
    }
  }
}

// Straight from the definition, by the trapezoidal rule on the density.
double renyi_by_integral(const BoundedLoss& pair, double order) {
  const double e = pair.largest, stride = e / 20000;
  double sum = 0;
  for (double l = -e + stride / 2; l < e; l += stride)
    sum += stride * pair.density * std::exp((l - e) / 2 + (order - 1) * l);
  for (const BoundedLoss::Atom& atom : pair.atoms) sum += atom.mass * std::exp((order - 1) * atom.loss);
  return std::log(sum) / (order - 1);
}

TEST(BoundedLoss, RenyiDivergenceIsThatOfThePair) {
  for (const Case& one : cases()) {
    for (const double order : {1.01, 1.5, 2., 8., 40.}) {
      const double exact = renyi_by_integral(one.pair, order), ours = renyi_bounded_loss(one.pair, order);
      EXPECT_GE(ours, exact * (1 - 1e-6) - 1e-13) << one.name << " " << order;
      EXPECT_LE(ours, exact * (1 + 1e-6) + 1e-12) << one.name << " " << order;
    }
    EXPECT_LE(renyi_bounded_loss(one.pair, 1e9), one.pair.largest * (1 + 1e-9));
  }
}

// The largest over pairs of two outcomes, by trying them.
TEST(BoundedLoss, RenyiDivergenceOfABoundedRange) {
  for (const double e : {1e-4, 0.01, 0.7, 3.0, 12.0}) {
    for (const double order : {1.01, 1.5, 2., 8., 40.}) {
      double most = 0;
      for (int i = 1; i < 4000; ++i) {
        const double t = e * i / 4000, q = (std::exp(-t) - std::exp(-e)) / -std::expm1(-e);
        const double excess = q * (std::exp(order * t) - 1) + (1 - q) * (std::exp(order * (t - e)) - 1);
        most = std::max(most, std::log1p(excess) / (order - 1));
      }
      const double ours = renyi_bounded_range(e, order);
      EXPECT_GE(ours, most * (1 - 1e-9) - 1e-15 / (order - 1)) << e << " " << order;
      EXPECT_LE(ours, most * (1 + 1e-5) + 1e-12) << e << " " << order;
      EXPECT_LE(ours, renyi_bounded_loss(BoundedLoss::bounded_range(e), order) * (1 + 1e-9) + 1e-12);
    }
  }
}

// Two coordinates that move by a and b are dominated by one that moves by a + b (bounded_loss.h): the delta
// of the product, by summing over the first coordinate.
TEST(BoundedLoss, OneCoordinateIsTheWorst) {
  const double scale = 1.7;
  for (const auto& [a, b] : {std::pair<int64_t, int64_t>{1, 1}, {1, 4}, {3, 3}, {5, 2}}) {
    const BoundedLoss whole = BoundedLoss::discrete_laplace(scale, a + b);
    const BoundedLoss first = BoundedLoss::discrete_laplace(scale, a);
    for (double x = -whole.largest; x <= whole.largest; x += whole.largest / 50) {
      double product = 0;
      for (const BoundedLoss::Atom& atom : first.atoms)
        product += atom.mass * discrete_laplace_delta(scale, b, x - atom.loss);
      EXPECT_LE(product, discrete_laplace_delta(scale, a + b, x) + 1e-12) << a << " " << b << " " << x;
    }
  }
}

}  // namespace
}  // namespace discreet
