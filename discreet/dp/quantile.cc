#include "discreet/dp/quantile.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"
#include "discreet/dp/bounded_rows.h"

namespace discreet {
namespace {

constexpr int64_t kParts = 1'000'000;  // D
constexpr int kMostLevels = 40;

[[noreturn]] void refuse(const char* message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

}  // namespace

Quantile::Quantile(const QuantileOptions& options) : options_(options) {
  if (!(options.share >= 1e-6 && options.share <= 1 - 1e-6))
    refuse("quantile: share must be from 1e-6 to 1 - 1e-6");
  if (options.levels < 1 || options.levels > kMostLevels) refuse("quantile: levels must be from 1 to 40");
  check_bounds("quantile", options.lower, options.upper, options.max_rows_per_unit);
  event();  // checks noise_multiplier
  share_parts_ = std::clamp<int64_t>(std::llround(options.share * kParts), 1, kParts - 1);
  const double row = options.relation == Relation::kReplaceOne
                         ? kParts / 2.0
                         : static_cast<double>(std::max(share_parts_, kParts - share_parts_));
  const double sensitivity = row * static_cast<double>(options.max_rows_per_unit);
  stddev_ = options.noise_multiplier * sensitivity * (1 + 1e-12);  // 1e-12: the rounding of these lines
}

Event Quantile::event() const {
  return Event::repeated(Event::gaussian(options_.noise_multiplier), options_.levels);
}

int64_t Quantile::surplus_below(std::span<const double> rows, double middle) const {
  const auto below = std::count_if(rows.begin(), rows.end(), [&](double row) { return row < middle; });
  return kParts * below - share_parts_ * static_cast<int64_t>(rows.size());
}

double Quantile::estimate(std::span<const double> values, std::span<const int64_t> units,
                          RandomStream& random) const {
  const std::vector<double> rows = bounded_rows(values, units, options_.max_rows_per_unit, random);
  const auto at = [&](double cell) {
    return options_.lower + (options_.upper - options_.lower) * std::ldexp(cell, -options_.levels);
  };
  int64_t first = 0, last = int64_t{1} << options_.levels;
  for (int level = 0; level < options_.levels; ++level) {
    const int64_t middle = first + (last - first) / 2;
    auto noisy = static_cast<double>(surplus_below(rows, at(static_cast<double>(middle))));
    add_lattice_gaussian(random, stddev_, std::span(&noisy, 1));
    (noisy > 0 ? last : first) = middle;
  }
  return at(static_cast<double>(first) + 0.5);
}

// A Gaussian passes t standard deviations, on either side, with probability at most exp(-t^2 / 2); the union
// over the steps, and half a step of the lattice.
double Quantile::rank_error(double beta) const {
  if (!(beta > 0 && beta < 1)) refuse("quantile: beta must be above 0 and below 1");
  const double deviations = std::sqrt(2 * std::log(options_.levels / beta));
  return (deviations * stddev_ + lattice_step(stddev_)) / kParts;
}

}  // namespace discreet
