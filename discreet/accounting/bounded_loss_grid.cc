#include "discreet/accounting/bounded_loss_grid.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace discreet {
namespace {

constexpr double kUnit = 0x1p-53;

// Bound on the relative error of the masses, whose exponents are at most the largest loss.
double mass_error(const BoundedLoss& pair) {
  return kUnit * (64 + 8 * pair.largest);
}

// Points from the greatest loss down, so many that the last is at or below the least.
LossGrid points(const BoundedLoss& pair, double step) {
  LossGrid grid;
  grid.step = step;
  const double cells = std::ceil(2 * pair.largest / step) + 1;
  grid.first = pair.largest - cells * step;
  grid.mass.assign(static_cast<size_t>(cells) + 2, 0.0);
  return grid;
}

// Without empty ends.
LossGrid trimmed(LossGrid grid) {
  const auto is_mass = [](double mass) { return mass > 0; };
  grid.mass.erase(std::find_if(grid.mass.rbegin(), grid.mass.rend(), is_mass).base(), grid.mass.end());
  const auto begin = std::find_if(grid.mass.begin(), grid.mass.end(), is_mass);
  grid.first += static_cast<double>(begin - grid.mass.begin()) * grid.step;
  grid.mass.erase(grid.mass.begin(), begin);
  return grid;
}

// P's mass of the density between two losses.
double mass_between(const BoundedLoss& pair, double low, double high) {
  return 2 * pair.density * std::exp((low - pair.largest) / 2) * std::expm1((high - low) / 2);
}

}  // namespace

LossGrid upper_grid(const BoundedLoss& pair, double step) {
  LossGrid grid = points(pair, step);
  const double all = -std::expm1(-step);
  for (const BoundedLoss::Atom& atom : pair.atoms) {
    const double at = std::floor((atom.loss - grid.first) / step);
    const double share = std::clamp(-std::expm1(grid.first + at * step - atom.loss) / all, 0.0, 1.0);
    const auto i = static_cast<size_t>(at);
    grid.mass[i] += atom.mass * (1 - share);
    grid.mass[i + 1] += atom.mass * share;
  }
  for (size_t i = 0; pair.density > 0 && i + 1 < grid.mass.size(); ++i) {
    // The density on (point + low, point + high). What goes to the next point is its mass under P less
    // e^point times that under Q, over 1 - e^-step: a difference of hyperbolic cosines.
    const double point = grid.first + static_cast<double>(i) * step;
    const double low = std::max(0.0, -pair.largest - point), high = std::min(step, pair.largest - point);
    if (!(low < high)) continue;
    const double p = mass_between(pair, point + low, point + high);
    const double above = std::min(p, 8 * pair.density * std::exp((point - pair.largest) / 2) *
                                         std::sinh((high + low) / 4) * std::sinh((high - low) / 4) / all);
    grid.mass[i] += p - above;
    grid.mass[i + 1] += above;
  }
  for (double& mass : grid.mass) mass *= 1 + mass_error(pair);
  grid.first += 16 * kUnit * (2 * pair.largest + step);  // the points are rounded
  return trimmed(std::move(grid));
}

LossGrid lower_grid(const BoundedLoss& pair, double step) {
  LossGrid grid = points(pair, step);
  double worst = 0;  // how far a loss is below its point, by rounding
  const auto put = [&](double loss, double mass) {
    const double at = std::floor((loss - grid.first) / step + 1e-9);
    worst = std::max(worst, grid.first + at * step - loss);
    grid.mass[static_cast<size_t>(at)] += mass;
  };
  for (const BoundedLoss::Atom& atom : pair.atoms) put(atom.loss, atom.mass);
  double high = pair.largest;
  for (double i = 1; pair.density > 0 && high > -pair.largest; ++i) {
    const double low = std::max(-pair.largest, pair.largest - (i + 0.5) * step);
    put(low + (high - low) / 2, mass_between(pair, low, high));
    high = low;
  }
  for (double& mass : grid.mass) mass *= 1 - mass_error(pair);
  grid.first -= worst + 16 * kUnit * (2 * pair.largest + step);
  return trimmed(std::move(grid));
}

}  // namespace discreet
