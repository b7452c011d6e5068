// Norms of per-sample products left^T right without the products: |left^T right|^2 is the sum over all pairs
// of positions of (left left^T)(right right^T) (Goodfellow 2015; Li et al. 2021, section 4). In floats, tile
// by tile in the processor's cache, each pair of positions once.
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/product_norms.h"

namespace discreet {

// Columns that are added up in floats; their sums are added up in double.
constexpr int64_t kGhostChain = 32;

// All double [samples].
struct GhostNorms {
  at::Tensor squared;      // of each sample's product: at least 0, whatever the rounding
  at::Tensor left, right;  // the sums of the squares of the sample's factors
  at::Tensor lengths;      // the sum over its positions of |left| |right|
};

// Both factors have the same samples and positions.
GhostNorms ghost_norms(const PlacedColumns& left, const PlacedColumns& right);

}  // namespace discreet
