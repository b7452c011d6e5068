// A private quantile: the value that a given share of the rows lies below, to one of 2^levels equal cells
// between bounds that are declared.
//
// How: a noisy binary search. Each of `levels` steps asks whether more than `share` of the rows lie below the
// middle m of the cells that are left. The question is one integer sum, in which a row below m counts D - a
// and any other -a, where D = 10^6 and a = share * D rounded: it is positive where more than a / D of the
// rows lie below, so the number of rows need not be known. The sum gets Gaussian noise on a lattice
// (base/lattice_gaussian.h), and the next question depends on noisy answers only.
//
// Why so: a quantile costs `levels` sums, and its error in rows is the largest of their noises; a tree of
// counts adds up as many noises, and an exponential mechanism over the cells errs by a multiple of
// ln(2^levels) rows where this errs by one of sqrt(levels). No exponential is evaluated in floating point:
// sums are exact integers, and the noise is that of real numbers, rounded to the lattice.
//
// Sensitivity. Of each unit at most M = max_rows_per_unit rows are used (bounded_rows.h). add-or-remove-one,
// zero-out: the sum moves by at most M max(a, D - a). replace-one: a unit adds from -M a to M (D - a), so by
// at most M D. The accountant takes noise_multiplier relative to C where neighbours differ by at most C, or
// 2 C under replace-one: C = M max(a, D - a), and M D / 2 under replace-one.
//
// A NaN is a missing value and adds nothing; infinities, and all that lies outside the bounds, are below or
// above every question as they are.
#pragma once

#include <cstdint>
#include <span>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/random.h"

namespace discreet {

// Public: none of it may be taken from the data.
struct QuantileOptions {
  double share = 0.5;  // [1e-6, 1 - 1e-6], rounded to millionths; 0.5: the median
  double lower = 0;    // lower < upper, finite
  double upper = 0;
  int levels = 16;                // [1, 40]: cells of width (upper - lower) / 2^levels
  int64_t max_rows_per_unit = 1;  // [1, 10^6]
  Relation relation = Relation::kAddOrRemoveOne;
  double noise_multiplier = 0;  // of each step, [1e-6, 1e9]; all cost as much as one of it / sqrt(levels)
};

class Quantile {
 public:
  // kInvalidArgument where an option is out of its range.
  explicit Quantile(const QuantileOptions& options);

  // What estimate() releases, to be charged first: `levels` Gaussian mechanisms.
  Event event() const;

  // One release of event(): the middle of the cell that was found. units: an identifier of the unit of each
  // row; empty: every row is a unit. A stream that is not private makes a result that is not.
  double estimate(std::span<const double> values, std::span<const int64_t> units, RandomStream& random) const;

  // E such that, with probability at least 1 - beta, the cell that is found holds a quantile at share + e / n
  // of the n rows that are used, for some |e| <= E; or, where it is the first or last cell, such a quantile
  // lies in it or beyond it. beta in (0, 1), else kInvalidArgument.
  double rank_error(double beta) const;

  // The sum of one step for rows that were chosen, before noise. Private: for estimate() and its tests.
  int64_t surplus_below(std::span<const double> rows, double middle) const;
  double stddev() const { return stddev_; }  // of the noise on it

 private:
  QuantileOptions options_;
  int64_t share_parts_;  // a
  double stddev_;
};

}  // namespace discreet
