#include "discreet/dp/clipped_mean.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"
#include "discreet/dp/bounded_rows.h"

namespace discreet {
namespace {

constexpr int64_t kScale = int64_t{1} << 20;  // H
constexpr int64_t kRowWeight = kScale / 2;    // w

}  // namespace

ClippedMean::ClippedMean(const ClippedMeanOptions& options) : options_(options) {
  check_bounds("mean", options.lower, options.upper, options.max_rows_per_unit);
  if (options.rows && !(*options.rows >= 1 && std::isfinite(*options.rows)))
    throw Error(ErrorKind::kInvalidArgument, "mean: rows must be at least 1 and finite, where declared");
  event();  // checks noise_multiplier
  half_ = (options.upper - options.lower) / 2;
  middle_ = options.lower + half_;
  const bool sum_alone = options.rows || options.relation == Relation::kReplaceOne;
  const double row = std::hypot(kScale, sum_alone ? 0 : kRowWeight);
  const double sensitivity = row * static_cast<double>(options.max_rows_per_unit);
  stddev_ = options.noise_multiplier * sensitivity * (1 + 1e-12);  // 1e-12: the rounding of these lines
}

Event ClippedMean::event() const {
  return Event::gaussian(options_.noise_multiplier);
}

ClippedMean::Cells ClippedMean::cells(std::span<const double> values, std::span<const int64_t> units,
                                      RandomStream& random) const {
  Cells cells;
  for (const double value : bounded_rows(values, units, options_.max_rows_per_unit, random)) {
    const double clipped = std::clamp(value, options_.lower, options_.upper);
    cells.sum += std::clamp<int64_t>(std::llround((clipped - middle_) / half_ * kScale), -kScale, kScale);
    if (!options_.rows) cells.rows += kRowWeight;
  }
  return cells;
}

MeanEstimate ClippedMean::estimate(std::span<const double> values, std::span<const int64_t> units,
                                   RandomStream& random) const {
  const Cells exact = cells(values, units, random);
  std::array noisy = {static_cast<double>(exact.sum), static_cast<double>(exact.rows)};
  add_lattice_gaussian(random, stddev_, std::span(noisy).first(options_.rows ? 1 : 2));
  MeanEstimate estimate;
  estimate.rows = options_.rows.value_or(std::max(noisy[1] / kRowWeight, 1.0));
  const double centred = std::clamp(noisy[0] / (kScale * estimate.rows), -1.0, 1.0);  // in halves
  estimate.mean = std::clamp(middle_ + half_ * centred, options_.lower, options_.upper);
  const double of_rows = options_.rows ? 0 : centred * kScale / kRowWeight;
  estimate.stddev = half_ * stddev_ / (kScale * estimate.rows) * std::hypot(1, of_rows);
  return estimate;
}

}  // namespace discreet
