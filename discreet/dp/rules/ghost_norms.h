// Norms of per-sample products left^T right without the products: |left^T right|^2 is the sum over all pairs
// of positions of (left left^T)(right right^T) (Goodfellow 2015; Li et al. 2021, section 4). In floats, tile
// by tile in the processor's cache, each pair of positions once.
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/product_norms.h"

namespace discreet {

// All double [samples].
struct GhostNorms {
  at::Tensor squared;      // of each sample's product: at least 0, whatever the rounding
  at::Tensor left, right;  // the sums of the squares of the sample's factors
  at::Tensor diagonal;     // the sum over its positions of |left|^2 |right|^2
};

// Both factors have the same samples and positions. Products between positions are summed over the columns in
// floats, their products in double.
GhostNorms ghost_norms(const PlacedColumns& left, const PlacedColumns& right);

}  // namespace discreet
