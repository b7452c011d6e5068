// Fixed grids of numbers and how quantiles are read from noisy counts on them.
//
// A grid cuts the line into 65,536 leaves that do not depend on any data:
//   numbers  sign, then 64 octaves from 2^-20 to 2^43, each cut into 512 equal leaves (so a leaf is at most
//   0.2 %
//            of the number wide, and every whole number up to 1024 starts a leaf of its own); the first
//            octave holds [0, 2^-20) in leaves of 2^-29. Negative numbers mirror. Numbers beyond 2^43 fall in
//            the outer leaves.
//   dates    one leaf a day, from 1900-01-01 to 2079-06-06; days beyond fall in the outer leaves.
// A tree of counts stands on the leaves: level l in 1..4 has 16^l nodes, node k of level l holds the leaves
// [k * 16^(4-l), (k+1) * 16^(4-l)).
//
// Everything below the noisy counts is post-processing: it costs no privacy.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace discreet {

inline constexpr int kGridLevels = 4;
inline constexpr int64_t kGridBranches = 16;
inline constexpr int64_t kGridLeaves = 65536;  // kGridBranches ^ kGridLevels

enum class NumberGrid { kNumbers, kDates };

int64_t leaf_of(NumberGrid grid, double value);    // [0, kGridLeaves); value finite
double leaf_start(NumberGrid grid, int64_t leaf);  // for 0 <= leaf <= kGridLeaves; ascending
int64_t node_of(int64_t leaf, int level);          // the node of this level that holds the leaf

// Noisy count of a node, in rows, with standard deviation `noise` each.
struct NoisyTree {
  NumberGrid grid = NumberGrid::kNumbers;
  std::function<double(int level, int64_t node)> count;
  double total = 0;  // noisy number of rows in the whole tree
  double noise = 0;  // standard deviation of each count, total included
};

// The tree as a piecewise constant density. From the root down, a node's noisy mass is divided among its
// children in the proportion of their counts, after the Euclidean projection of these onto {non-negative,
// same sum}; children below 1 `noise` (3 below the root) are dropped; a node below 6 `noise` is not
// divided. Empty where the total is below 4 `noise`.
struct Density {
  struct Piece {
    int64_t first = 0, last = 0;  // leaves [first, last)
    double mass = 0;              // rows
  };
  NumberGrid grid = NumberGrid::kNumbers;
  std::vector<Piece> pieces;  // ascending
  double total = 0;
  double noise = 0;

  const Piece& piece_at(double share) const;  // the one that holds this quantile
  double quantile(double share) const;        // share in [0, 1]; between leaf starts, linear in the leaves
};
Density read_density(const NoisyTree& tree);

// Corners for the piecewise-linear encoding: at most `pieces` + 1 quantiles at equal shares, fewer where a
// piece would hold less than 4 `noise`; a leaf that holds more than one share (such as a common 0) gets
// corners at both its ends and the other rows are shared out without it. Empty where the density is.
std::vector<double> read_knots(const Density& density, int pieces = 16);

// Corners where no density could be read: the same for every data set.
std::vector<double> fixed_knots(NumberGrid grid);

// A range for nearly all rows, about the quantiles at `share` and 1 - `share`. The density is read once more,
// with every node of the first level divided that was kept; what lies apart (256 empty leaves, half an octave
// of numbers) and holds less than 4 `noise` for each 256 leaves, in quadrature, is taken for noise. Of the
// rest the quantiles at q and 1 - q are taken, q the larger of `share` and 2 `noise` / total (at most 1/4),
// and moved out from the median as far as the same quantiles of a normal distribution lie apart; numbers that
// are all of one sign keep it. Empty where the noise cannot find the range reliably: the total is below 10
// `noise`, 3 tenths of it were dropped or not told from noise, or a quantile falls into a piece of more than
// 256 leaves that is wider than half of the range.
std::optional<std::pair<double, double>> read_range(const NoisyTree& tree, double share = 0.01);

}  // namespace discreet
