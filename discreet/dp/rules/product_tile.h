// One tile of a product of two small matrices, by vectors: the innermost loop of product_norms.h.
#pragma once

#include <cstdint>

namespace discreet {

// Rows of a tile, and the columns that it has at most on this machine: whole vectors.
constexpr int64_t kTileRows = 6;
struct TileColumns {
  int64_t lanes;  // of one vector; columns are a multiple of it
  int64_t most;
};
TileColumns tile_columns();

// product [kTileRows, columns] = left^T right, or += where `add`; left [t, kTileRows] and right [t, columns]
// dense. Each number is a sum over t in this order, in floats.
void multiply_tile(const float* left, const float* right, int64_t t, int64_t columns, bool add,
                   float* product);

// The sum of the squares of `count` numbers, in double; count is a multiple of the lanes.
double tile_squares(const float* product, int64_t count);

}  // namespace discreet
