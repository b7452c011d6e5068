// Scalar products between the positions of one sample, by vectors: the innermost loops of pair_norms.h.
#pragma once

#include <cstdint>

namespace discreet {

// A matrix [positions, columns] of floats that is read where it lies.
struct PositionRows {
  const float* first;
  int64_t step;  // from one position to the next
  int64_t columns;
};

// Rows of products that are made at a time.
constexpr int64_t kPanelRows = 16;
// Numbers between two rows of them, for so many positions.
int64_t panel_width(int64_t positions);

// products [kPanelRows, panel_width(end)], row i and column j: position begin + i times position j, for i
// below end - begin and all j up to begin + i. What lies elsewhere is not used. end - begin: at most
// kPanelRows.
void multiply_positions(const PositionRows& rows, int64_t begin, int64_t end, float* products);

// How often each term is rounded: a sum that runs in several lanes, and in pieces that are summed in turn,
// rounds it less often than there are terms.
int64_t position_roundings(int64_t columns);

// A product of two positions is wrong by at most this times their norms, proven (Higham 2002, "Accuracy and
// stability of numerical algorithms", section 3.1). Infinite where it would not be small. Where numbers are
// below the range of floats, a term adds at most 2^-125, and so does each sum.
double sum_error(int64_t roundings);

// Sums over j below count. All four are read up to 7 numbers further.
struct PairSums {
  double products;                // left[j] right[j]
  float left_norms, right_norms;  // left_norm[j] |right[j]| and right_norm[j] |left[j]|
};
PairSums sum_pairs(const float* left, const float* right, const float* left_norm, const float* right_norm,
                   int64_t count);

}  // namespace discreet
