// A vector of integer counts, released with discrete Gaussian noise: the mechanism behind the private
// statistics.
//
// Sensitivity. The contribution of one unit is a vector v >= 0 with |v|^2 <= S; whoever defines the vector
// proves S. add-or-remove-one: the vectors of neighbours differ by v, so by at most sqrt(S). replace-one: by
// v - v' with v, v' >= 0, so |v - v'|^2 = |v|^2 + |v'|^2 - 2 v.v' <= 2 S. zero-out: by v. Under the last two
// the number of units is public: it has no cell and is used as it is. The accountant (accounting/event.h)
// takes noise_multiplier relative to C where neighbours differ by at most C (replace-one: 2 C), so C =
// sqrt(S), sqrt(S), sqrt(S / 2). stddev = noise_multiplier * C rounded up to a multiple of 2^-10, which only
// lowers the cost.
//
// Partition selection. The values of an open class list are not known beforehand: noise is added to the
// counts of the values that occur, and those of at least w + t are released, where a unit adds w =
// kTargetWeight to the cell of at most ONE value and t is the smallest integer with Pr[N >= t] <=
// threshold_delta. Why that costs (0, threshold_delta) on top of the vector: fix neighbours D and D' = D +
// unit. Let B be what happens in the cell of a value that only the new unit has (if there is one); its true
// count is w. Under D nothing is released there, under D' something with probability Pr[w + N >= w + t] <=
// threshold_delta: the outcomes are at total variation distance
// <= threshold_delta. Let A be everything else, the vector over the cells that both data sets have, at
// distance
// <= sqrt(S). A and B are independent given the data set and the output is a function of (A, B): basic
// composition adds the deltas. replace-one: D and D' may have one such value each, and each releases its own
// with probability
// <= threshold_delta; the distance of the outcomes is at most the larger of the two.
//
// Noise is drawn when a cell is read (and kept): a cell that is never read needs none, and what is read has
// the same distribution as with all the noise drawn first.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/random.h"

namespace discreet {

inline constexpr int64_t kCountWeight = 2;   // of a unit in the number of units
inline constexpr int64_t kTargetWeight = 4;  // of a unit in the cell of its target's value

// What the mechanism adds and what is known in any case; fixed before data is read.
struct StatisticsBudget {
  Relation relation = Relation::kAddOrRemoveOne;
  double noise_multiplier = 0;  // > 0
  double threshold_delta = 0;   // (0, 1) where values are selected, otherwise not spent
};

// The object that fixes the noise is the one that describes it to the accountant.
class CountMechanism {
 public:
  // squared_sensitivity: S above; 0: the vector is empty and nothing is released.
  // kInvalidArgument where the budget is out of range for what is released.
  CountMechanism(const StatisticsBudget& budget, int64_t squared_sensitivity, bool selects_values);

  bool needed() const { return squared_sensitivity_ > 0; }
  bool selects_values() const { return selects_values_; }
  int64_t squared_sensitivity() const { return squared_sensitivity_; }
  double stddev() const { return stddev_; }  // of each cell; 0: nothing is released
  int64_t threshold() const;                 // least noisy cell of a value that is released
  Event event() const;

 private:
  StatisticsBudget budget_;
  int64_t squared_sensitivity_;
  bool selects_values_;
  double stddev_ = 0;
};

// The exact vector: private, for the mechanism and its tests only.
struct CountVector {
  std::unordered_map<uint64_t, int64_t> cells;  // cells that are known beforehand; absent: 0
  std::map<std::string, int64_t> values;        // cells of the values that occur
};

// One release of the vector. Refers to its arguments, which must outlive it.
class NoisyCounts {
 public:
  NoisyCounts(const CountVector& exact, const CountMechanism& mechanism, RandomStream& random)
      : exact_(exact), mechanism_(mechanism), random_(random) {}

  double cell(uint64_t key);
  // Values at or above the threshold with their noisy cells. Once only: a second call would be a second
  // release.
  std::map<std::string, double> take_selected_values();
  double stddev() const { return mechanism_.stddev(); }

 private:
  const CountVector& exact_;
  const CountMechanism& mechanism_;
  RandomStream& random_;
  std::unordered_map<uint64_t, int64_t> noise_;
  bool selected_ = false;
};

// Least integer t with Pr[N >= t] <= delta for N discrete Gaussian of this stddev, by the upper bound
//   Pr[N >= t] <= Q(t / stddev) + exp(-t^2 / (2 stddev^2)) / (stddev sqrt(2 pi)),  Q the Gaussian tail:
// the sum from t + 1 is below the integral from t, and the normaliser of the discrete Gaussian is at least
// stddev sqrt(2 pi) (Poisson summation).
int64_t selection_margin(double stddev, double delta);

}  // namespace discreet
