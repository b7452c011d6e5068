// How the clipped sum of a batch comes about (clip.h): for each use of each trained parameter the rule that
// covers it, its way to the norms, what that costs, and what rounding can do.
//
// All but measured_rounding follows from the model, the options and the number of rows, not from the records.
//
// Rounding of the sum. Noise is calibrated to what one unit can move the exact sum; the computed one can move
// by twice its rounding more (Casacuberta, Shoemate, Vadhan, Wagaman 2022, "Widespread underestimation of
// sensitivity in differentially private libraries"). Within b = 256 rows a number of the sum is an inner
// product of n = b * terms + 2 products (the weights and their conversion are the 2), in precision u. Its
// error is at most gamma times the sum of the products' absolute values, in any order of summation, with
//   gamma = n u / (1 - n u)                                        proven (Higham 2002, section 3.1),
//   gamma = exp(lambda sqrt(n) u + n u^2 / (1 - u)) - 1            probable (Higham and Mary 2019,
//   theorem 3.1),
// the latter where rounding errors are independent with mean 0, here for all numbers at once but for a chance
// of 2^-40. Absolute values are at most b units' `most` in norm: 1 clip where a unit's part is one product;
// else its terms may cancel, up to where the unit is recomputed in double: 2^-12 of the clip over the
// rounding of its norm. Both bounds are added up over the blocks. Additions of doubles between blocks are
// left out, and arithmetic coarser than the tensors' type (TF32) is not covered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace discreet {

struct PlanOptions {
  bool measure = false;                   // also measured_rounding, at the price of one unit at a time
  std::vector<int64_t> unit_starts = {};  // as for Clipper::add; empty: each row is a unit
};

// Distances from the exact sum, in clips (max_grad_norm).
struct SumRounding {
  double probable, proven;
};

// One use of one parameter. Of uses whose gradients are added up before the norm, the first has the costs and
// the others 0. NaN: a rule of one's own that does not say.
struct ClipPlanEntry {
  std::string parameter;
  std::string rule;       // "linear"
  std::string operation;  // the autograd node: "AddmmBackward0"
  std::string way;  // "ghost", "direct", "product of norms", "rows", "tokens", "one unit at a time", ...
  double flops;  // multiplications and additions for the norms; the weighted sum costs the same in each way
  double bytes;  // most working memory at a time, beside what autograd keeps
  double norm_rounding;  // bound on the error of the norm, relative to the norms of the factors multiplied
  SumRounding sum_rounding;
};

struct ClipPlan {
  std::vector<ClipPlanEntry> entries;  // in the order of the parameters
  int64_t rows = 0;
  int64_t units = 0;
  int64_t units_of_rows = 0;   // units of several rows: for every parameter one at a time, in double
  SumRounding sum_rounding{};  // of all parameters together
  // L2 distance between the sum as computed and the same sum in double, in clips, every weight 1. Private:
  // for the owner's eyes.
  std::optional<double> measured_rounding = {};

  // A line for each entry, then the rounding of the sum.
  std::string table() const;
};

}  // namespace discreet
