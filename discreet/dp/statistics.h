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
//   the target        as a column, if its kind or range is open; w = kTargetWeight to the cell of its value,
//   if its
//                     classes are open
// A column whose kind and knots are declared, a declared class list and a declared number of units are left
// out. Nothing here depends on records: names and number of columns are public.
//
// Sensitivity. A unit's contribution is a vector v >= 0 with |v|^2 <= S = kCountWeight^2 + 5 (open columns) +
// ..., reached where every cell is a number (squared_sensitivity() sums it). add-or-remove-one: the vectors
// of neighbours differ by v, distance <= sqrt(S). replace-one: by v - v' with v, v' >= 0, so |v - v'|^2 =
// |v|^2 + |v'|^2 - 2 v.v' <= 2 S, distance <= sqrt(2 S). zero-out: by v, as above. Under the last two the
// number of units is public: its cell is left out and the number is used as it is. The accountant
// (accounting/event.h) takes noise_multiplier relative to C where neighbours differ by at most C
// (replace-one: 2 C), so C = sqrt(S), sqrt(S), sqrt(S / 2). stddev = noise_multiplier * C rounded up to a
// multiple of 2^-10, which only lowers the cost.
//
// Partition selection. The values of an open class list are not known beforehand, so noise is added to the
// counts of the values that occur, and those of at least kTargetWeight + t are released, where t is the
// smallest integer with Pr[N >= t] <= threshold_delta. Why that costs (0, threshold_delta) on top of the
// vector: fix neighbours D and D' = D + unit. Let B be what happens in the cells of values that only the new
// unit has: it is one cell of true count kTargetWeight. Under D nothing is released there; under D' something
// with probability Pr[kTargetWeight + N
// >= kTargetWeight + t] <= threshold_delta, so the two are at total variation distance <= threshold_delta.
// Let A be everything else: the vector over cells that both data sets have, at distance <= sqrt(S). A and B
// are independent given the data set, and the output is a function of (A, B): basic composition adds the
// deltas. replace-one: each of D and D' may have one value of its own; each releases it with probability <=
// threshold_delta, and the distance of the two outcomes is at most the larger of these. With one row a unit
// there is never a second such cell.
//
// Noise is drawn when a cell is read (and kept): a cell that is never read needs none, and what is returned
// has the same distribution as with all the noise drawn first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"
#include "discreet/base/random.h"
#include "discreet/data/image_dataset.h"
#include "discreet/data/schema.h"
#include "discreet/data/units.h"

namespace discreet {

inline constexpr int64_t kCountWeight = 2;
inline constexpr int64_t kTargetWeight = 4;

// How much the mechanism adds, fixed before data is read.
struct StatisticsBudget {
  Relation relation = Relation::kAddOrRemoveOne;
  double noise_multiplier = 0;  // > 0
  double threshold_delta = 0;   // (0, 1) where classes are open, otherwise not used
};

// The exact vector: sensitive, for the mechanism and its tests only.
struct CountVector {
  std::unordered_map<uint64_t, int64_t> cells;  // cells that are known beforehand; absent: 0
  std::map<std::string, int64_t> values;        // cells of values that occur in the target
};

// Least integer t with Pr[N >= t] <= delta for N discrete Gaussian of this stddev, by the upper bound
// Pr[N >= t] <= Q(t / stddev) + exp(-t^2 / (2 stddev^2)) / (stddev sqrt(2 pi)), Q the Gaussian tail: the sum
// from t + 1 is below the integral, and the normaliser of the discrete Gaussian is at least stddev sqrt(2
// pi).
int64_t selection_margin(double stddev, double delta);

// What was found. Safe to publish: declared, independent, or read from the noisy vector.
struct TableFacts {
  double units = 0;  // >= 1
  Source units_source = Source::kPrivate;
  TableSchema schema;                 // complete, except that classes may be missing (see estimate)
  std::vector<std::string> warnings;  // where the noise is too large to tell; one line each
  double stddev = 0;                  // of each count; 0: nothing had to be estimated

  Json to_json() const;
  static TableFacts from_json(const Json& json);
};

class TableStatistics {
 public:
  // `declared` is TableSchema::for_columns of the table at hand. units: the declared number of units, if any.
  // kInvalidArgument where the budget is out of range.
  TableStatistics(TableSchema declared, std::optional<double> units, const StatisticsBudget& budget);

  bool needed() const;                  // false: everything is declared (or public); nothing is released
  bool selects_classes() const;         // threshold_delta is spent
  int64_t squared_sensitivity() const;  // S
  double stddev() const;
  Event event() const;  // what estimate() does, for the accountant; to be charged first

  // Draws the noise: each call is one release of event(). A stream that is not private makes facts that are
  // not. kInvalidArgument where no two classes could be told apart (charged all the same): declare them.
  TableFacts estimate(const TablePart& part, RandomStream& random) const;

  // The vector before noise. `random` chooses the row of each unit.
  CountVector count(const TablePart& part, RandomStream& random) const;

 private:
  TableSchema declared_;
  std::optional<double> units_;
  StatisticsBudget budget_;
};

// The same for images: the number of images and the classes among the labels. IDX labels have a fixed domain
// (0 to 255), so every label has a cell and the classes are those above 4 standard deviations, without a
// threshold delta; names of folders are values that occur, found by partition selection.
struct ImageFacts {
  double units = 0;
  Source units_source = Source::kPrivate;
  std::vector<std::string> classes;
  Source classes_source = Source::kPrivate;
  std::vector<std::string> warnings;
  double stddev = 0;

  Json to_json() const;
  static ImageFacts from_json(const Json& json);
};

class ImageStatistics {
 public:
  // fixed_labels: the labels have a fixed domain. classes empty: open.
  ImageStatistics(bool fixed_labels, std::vector<std::string> classes, std::optional<double> units,
                  const StatisticsBudget& budget);

  bool needed() const;
  bool selects_classes() const;  // threshold_delta is spent
  int64_t squared_sensitivity() const;
  double stddev() const;
  Event event() const;

  // Each image is a unit. kInvalidArgument where fewer than two classes could be told apart.
  ImageFacts estimate(const ImageDataset& images, RandomStream& random) const;
  CountVector count(const ImageDataset& images) const;

 private:
  bool fixed_labels_;
  std::vector<std::string> classes_;
  std::optional<double> units_;
  StatisticsBudget budget_;
};

}  // namespace discreet
