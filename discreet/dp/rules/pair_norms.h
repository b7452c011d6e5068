// Norms of per-sample products left^T right from products between positions (Goodfellow 2015, "Efficient
// per-example gradient computations"; Li et al. 2021, arXiv 2110.05679, section 4): with L = left left^T and
// R = right right^T the squared norm is the sum of L[s, t] R[s, t]. Both are symmetric, so that each pair is
// taken once. In floats, with a bound on what that is wrong by: where positions cancel it is larger than
// the norm itself, so whoever asks has to look.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace discreet {

// All double [samples].
struct PairNorms {
  at::Tensor squared;        // the sum of the squares of each sample's product [left columns, right columns]
  at::Tensor squared_error;  // proven bound on its error
  at::Tensor left, right;    // the sums of the squares of the sample's factors, rounded up
};

// left [samples, positions, m], right [samples, positions, k]: floats on the processor, of any strides.
PairNorms pair_norms(const at::Tensor& left, const at::Tensor& right);

// With several right factors, of one batch and as many positions each: the products of the left one are made
// once.
std::vector<PairNorms> pair_norms(const at::Tensor& left, const std::vector<at::Tensor>& rights);

}  // namespace discreet
