// One tile of a product of two small matrices, by vectors: the innermost loops of product_norms.h.
#pragma once

#include <cstdint>

namespace discreet {

// Columns that a tile has at most on this machine: whole vectors.
struct TileColumns {
  int64_t lanes;  // of one vector; columns are a multiple of it
  int64_t most;
};
TileColumns tile_columns();

// Rows of a tile of so many columns: as many as registers hold sums for. kMostTileRows at most.
constexpr int64_t kMostTileRows = 12;
int64_t tile_rows(int64_t columns);

// Where positions of the left factor lie: position i of run r at base + starts[r] + i * step.
struct TileRuns {
  const float* base;
  const int64_t* starts;
  int64_t runs, length, step;
};

// product [tile_rows(columns), columns] = left^T right, or += where `add`: row j of the product is made of
// the numbers `offsets[j]` behind each position; right [all positions, columns] is dense. Each number is a
// sum over the positions in their order, in floats.
void multiply_tile(const TileRuns& left, const int64_t* offsets, const float* right, int64_t columns,
                   bool add, float* product);

// The sum of the squares of `count` numbers, in double.
double tile_squares(const float* numbers, int64_t count);

// to [t, width]: to[i, j] = from[i + j * stride] for j below count, zeros behind.
void transpose_columns(const float* from, int64_t stride, int64_t t, int64_t count, int64_t width, float* to);

}  // namespace discreet
