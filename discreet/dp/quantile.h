// A private quantile: the value that a given share of the rows lies below, to one of 2^levels equal cells
// between bounds that are declared.
//
// How: the exponential mechanism (McSherry and Talwar 2007) over the cells. Rows count in parts, D = 10^6 a
// row, and a = share * D rounded; f(x) = D * (rows below x) - a * (rows) rises from below 0 to above 0 at the
// quantile, and the number of rows need not be known. Cell k, from edge e_k to e_(k+1), is short by
//   d_k = max(0, f(e_k), -f(e_(k+1))),
// which is 0 where it holds the quantile; the first cell reaches down to -infinity and the last up to
// infinity, so one cell at least has d = 0. Cell k is chosen with probability in proportion to (1 - s)^d_k,
// exactly: cells are drawn uniformly and taken with that probability, that as many trials of the double s
// fail (base/geometric.h); nothing is rounded. The expected number of draws is at most 2^levels.
//
// Why so: one release, without delta. A noisy binary search or a tree of noisy counts shares its budget among
// the levels; this pays for the number of cells by its logarithm, and in the cells near the quantile only.
//
// Sensitivity. Of each unit at most M = max_rows_per_unit rows are used (bounded_rows.h). add-or-remove-one,
// zero-out: every f, and so every d, moves by at most C = M max(a, D - a). replace-one: a unit adds from -M a
// to M (D - a), so by at most M D = 2 C with C = M D / 2. With utilities -d / C, which a unit moves by at
// most 1 and another in its place by 2, and s rounded down from 1 - e^(-epsilon / (2 C)), this is
// Event::exponential_mechanism(epsilon) under each relation.
//
// What is released is the cell: how long the draws take depends on the data and is not covered.
//
// A NaN is a missing value and adds nothing; infinities, and all that lies outside the bounds, belong to the
// first and the last cell.
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
  int levels = 16;                                // [1, 20]: cells of width (upper - lower) / 2^levels
  int64_t max_rows_per_unit = 1;                  // [1, 10^6]
  Relation relation = Relation::kAddOrRemoveOne;  // the event is to be accounted under this one only
  double epsilon = 0;  // [1e-9, 1000]; under replace-one a release costs twice as much
};

class Quantile {
 public:
  // kInvalidArgument where an option is out of its range.
  explicit Quantile(const QuantileOptions& options);

  // What estimate() releases, to be charged first: one exponential mechanism.
  Event event() const;

  // One release of event(): the middle of the cell that was chosen. units: an identifier of the unit of each
  // row; empty: every row is a unit. A stream that is not private makes a result that is not.
  double estimate(std::span<const double> values, std::span<const int64_t> units, RandomStream& random) const;

  // E such that, with probability at least 1 - beta, the cell that is chosen holds a quantile at share + e /
  // n of the n rows that are used (share as it was rounded), for some |e| <= E. beta in (0, 1), else
  // kInvalidArgument.
  double rank_error(double beta) const;

  // d of a cell, for rows that were chosen, ascending. Private: for estimate() and its tests.
  int64_t short_by(std::span<const double> sorted_rows, int64_t cell) const;
  double stop_probability() const { return stop_probability_; }  // s

 private:
  double at(double cell) const;

  QuantileOptions options_;
  int64_t share_parts_;  // a
  double stop_probability_;
};

}  // namespace discreet
