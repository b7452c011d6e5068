#include "discreet/dp/quantile.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/geometric.h"
#include "discreet/dp/bounded_rows.h"

namespace discreet {
namespace {

constexpr int64_t kParts = 1'000'000;  // D
constexpr int kMostLevels = 20;

[[noreturn]] void refuse(const char* message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

}  // namespace

Quantile::Quantile(const QuantileOptions& options) : options_(options) {
  if (!(options.share >= 1e-6 && options.share <= 1 - 1e-6))
    refuse("quantile: share must be from 1e-6 to 1 - 1e-6");
  if (options.levels < 1 || options.levels > kMostLevels) refuse("quantile: levels must be from 1 to 20");
  check_bounds("quantile", options.lower, options.upper, options.max_rows_per_unit);
  event();  // checks epsilon
  share_parts_ = std::clamp<int64_t>(std::llround(options.share * kParts), 1, kParts - 1);
  const double row = options.relation == Relation::kReplaceOne
                         ? kParts / 2.0
                         : static_cast<double>(std::max(share_parts_, kParts - share_parts_));
  const double sensitivity = row * static_cast<double>(options.max_rows_per_unit);
  // 1e-12: the rounding of these lines
  stop_probability_ = -std::expm1(-options.epsilon / (2 * sensitivity)) * (1 - 1e-12);
}

Event Quantile::event() const {
  return Event::exponential_mechanism(options_.epsilon);
}

double Quantile::at(double cell) const {
  return options_.lower + (options_.upper - options_.lower) * std::ldexp(cell, -options_.levels);
}

int64_t Quantile::short_by(std::span<const double> sorted_rows, int64_t cell) const {
  const auto f = [&](int64_t edge) {
    const double value = at(static_cast<double>(edge));
    const auto below = std::lower_bound(sorted_rows.begin(), sorted_rows.end(), value) - sorted_rows.begin();
    return kParts * below - share_parts_ * static_cast<int64_t>(sorted_rows.size());
  };
  int64_t most = 0;
  if (cell > 0) most = std::max(most, f(cell));
  if (cell + 1 < int64_t{1} << options_.levels) most = std::max(most, -f(cell + 1));
  return most;
}

double Quantile::estimate(std::span<const double> values, std::span<const int64_t> units,
                          RandomStream& random) const {
  std::vector<double> rows = bounded_rows(values, units, options_.max_rows_per_unit, random);
  std::sort(rows.begin(), rows.end());
  const Geometric failures(stop_probability_);
  for (;;) {
    const auto cell = static_cast<int64_t>(random.next() >> (64 - options_.levels));
    const int64_t needed = short_by(rows, cell);
    if (failures.draw(random, needed) == needed) return at(static_cast<double>(cell) + 0.5);
  }
}

// The cells with d >= t have weight at most 2^levels (1 - s)^t together, beside one of weight 1.
double Quantile::rank_error(double beta) const {
  if (!(beta > 0 && beta < 1)) refuse("quantile: beta must be above 0 and below 1");
  const double logarithm = options_.levels * std::log(2.0) - std::log(beta);
  return logarithm / -std::log1p(-stop_probability_) / kParts;
}

}  // namespace discreet
