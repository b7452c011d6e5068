// The private facts of a run: what training has to know about the data and nobody declared, from ONE vector
// of integer counts with discrete Gaussian noise. Everything else (column kinds, knots, classes, the number
// of units) is read from the noisy counts: post-processing, at no further cost.
//
// Contribution. Each unit counts with one of its rows, chosen at random; so no unit, however many rows it
// has, moves the vector further than one row does. That row adds, w being a fixed integer weight,
//   number of units   w = kCountWeight to one cell                        (only under add-or-remove-one)
//   each open column  1 to one of the 5 cell types; if the cell is a number or a date, 1 to one node on each
//   of
//                     the 4 levels of the column's tree on the fixed grid (data/number_grid.h)
//   the target        as a column, but w = kTargetColumnWeight instead of 1, if its kind or range is open;
//                     w = kTargetWeight to the cell of its value, if its classes are open
// A column whose kind and knots are declared, a declared class list and a declared number of units are left
// out. Nothing here depends on records: names and number of columns are public.
//
// Squared sensitivity of a unit, S = kCountWeight^2 + 5 (open columns, without the target) + 5
// kTargetColumnWeight^2 + kTargetWeight^2, each where open: reached where every cell is a number (a column
// then has w^2 for its type and w^2 for one node on each of 4 levels). dp/noisy_counts.h has the rest of the
// mechanism.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/data/units.h"
#include "discreet/dp/facts.h"
#include "discreet/dp/noisy_counts.h"

namespace discreet {

inline constexpr int64_t kTargetColumnWeight = 2;  // of a unit in the types and trees of the target

// What was found. Safe to publish: declared, independent, or read from the noisy vector.
struct TableFacts : Facts {
  TableSchema schema;  // complete

  Json to_json() const;
  static TableFacts from_json(const Json& json);
};

class TableStatistics {
 public:
  // `declared` is TableSchema::for_columns of the table at hand; units: the declared number of units, if any,
  // >= 1. kInvalidArgument where these or the budget are out of range.
  TableStatistics(TableSchema declared, std::optional<double> units, const StatisticsBudget& budget);

  // What will be released, known before data is read: its event is to be charged first. Where it is not
  // needed(), everything is declared or public, and estimate() costs nothing.
  const CountMechanism& mechanism() const { return mechanism_; }

  // Draws the noise: each call is one release of mechanism().event(). A stream that is not private makes
  // facts that are not. kInvalidArgument (charged all the same) where the noise is too large to tell two
  // classes, or the range of a regression: declare them.
  TableFacts estimate(const TablePart& part, RandomStream& random) const;

  // The vector before noise; `random` chooses the row of each unit. Private: for estimate() and its tests.
  CountVector count(const TablePart& part, RandomStream& random) const;

 private:
  TableSchema declared_;
  std::optional<double> units_;
  Relation relation_;
  CountMechanism mechanism_;
};

}  // namespace discreet
