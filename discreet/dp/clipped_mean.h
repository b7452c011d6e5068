// A private mean of values that are clipped to declared bounds.
//
// With h = (upper - lower) / 2 and the middle of the bounds as zero, a value clipped to [-h, h] counts as an
// integer of [-H, H], H = 2^20 (rounding moves the mean by at most h 2^-21). Two cells are released with
// Gaussian noise on a lattice (base/lattice_gaussian.h): the sum of these integers, and the number of rows
// with weight w = H / 2, unless that number is declared. Both are exact integers before the noise. The
// quotient is post-processing. With noise of the same size on both cells the mean's standard deviation is in
// proportion to sqrt((1 + w^2 / H^2) (1 + (mean / h)^2 H^2 / w^2)): w = H / 2 is best at |mean| = h / 4 and
// at most 1.25 times the best wherever the mean lies.
//
// Sensitivity. Of each unit at most M = max_rows_per_unit rows are used (bounded_rows.h), so with k <= M rows
// it adds v = (s, w k), |s| <= H k. The accountant takes noise_multiplier relative to C where neighbours
// differ by at most C, or 2 C under replace-one.
//   add-or-remove-one, zero-out   |v| <= C = M sqrt(H^2 + w^2)
//   replace-one                   |v - v'|^2 <= H^2 (k + k')^2 + w^2 (k - k')^2, convex and so largest at a
//                                 corner of [0, M]^2: at k = k' = M, (2 M H)^2 (the others have M^2 (H^2 +
//                                 w^2)); C = M H
//   rows declared                 |s| <= C = M H, and |s - s'| <= 2 C
// The number of rows may be declared where it is public knowledge; under replace-one and zero-out the number
// of units is, which is not the same where units have several rows or values are missing.
//
// A NaN is a missing value: it adds nothing, and where the number of rows is declared it so counts as the
// middle of the bounds. Infinities are clipped like every other value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/random.h"

namespace discreet {

// Public: none of it may be taken from the data.
struct ClippedMeanOptions {
  double lower = 0;  // lower < upper, finite
  double upper = 0;
  int64_t max_rows_per_unit = 1;    // [1, 10^6]
  std::optional<double> rows = {};  // that are used, at least 1 and finite; empty: counted privately
  Relation relation = Relation::kAddOrRemoveOne;  // the event is to be accounted under this one only
  double noise_multiplier = 0;                    // [1e-6, 1e9]
};

// Safe to publish.
struct MeanEstimate {
  double mean = 0;    // in [lower, upper]
  double rows = 0;    // as declared, or noisy and at least 1
  double stddev = 0;  // of the noise in `mean`, to first order in noise / rows, read from the release
};

class ClippedMean {
 public:
  // kInvalidArgument where an option is out of its range.
  explicit ClippedMean(const ClippedMeanOptions& options);

  // What estimate() releases, to be charged first: one Gaussian mechanism.
  Event event() const;

  // One release of event(). units: an identifier of the unit of each row; empty: every row is a unit. A
  // stream that is not private makes a result that is not.
  MeanEstimate estimate(std::span<const double> values, std::span<const int64_t> units,
                        RandomStream& random) const;

  // The cells before noise. Private: for estimate() and its tests.
  struct Cells {
    int64_t sum = 0;
    int64_t rows = 0;  // weighted; 0 where declared
  };
  Cells cells(std::span<const double> values, std::span<const int64_t> units, RandomStream& random) const;
  double stddev() const { return stddev_; }  // of the noise on each cell

 private:
  ClippedMeanOptions options_;
  double middle_, half_;
  double stddev_;
};

}  // namespace discreet
