// Scalar products between the positions of one sample where there are many: as position_pairs.h has them, but
// from a copy in which one column of neighbouring positions is a vector, so that no vector is summed up
// within itself. The copy costs as much as some thirty positions gain.
#pragma once

#include <cstdint>

#include "discreet/dp/rules/position_pairs.h"

namespace discreet {

constexpr int64_t kManyPositions = 48;  // from here on it is faster
constexpr int64_t kPieceColumns = 32;   // are summed by themselves: it rounds less often

// Numbers between two rows of products, for all positions: whole vectors.
int64_t packed_width(int64_t positions);

// packed: packed_width(positions) times columns numbers.
void pack_positions(const PositionRows& rows, int64_t positions, float* packed);

// As multiply_positions(), with rows of `width` = packed_width(all positions).
void multiply_packed(const PositionRows& rows, const float* packed, int64_t width, int64_t begin, int64_t end,
                     float* products);

// For sum_error().
int64_t packed_roundings(int64_t columns);

}  // namespace discreet
