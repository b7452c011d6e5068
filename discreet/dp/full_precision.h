// Products of floats in the precision of floats.
#pragma once

#include <torch/torch.h>

namespace discreet {

// While one lives, libtorch rounds no factor of a product of floats to TF32 or bfloat16. It does so where the
// user asks for it (torch.set_float32_matmul_precision("medium") on a processor that has such products), and
// in convolutions on a GPU unless told not to: norms and sums would move by a hundred times what the bounds
// of rules/outer_products.h and the sensitivity (clip.h) allow for. The model's own products stay as the user
// wants them. Most of these switches are for all threads: they are as they were found once no thread needs
// them otherwise.
class FullPrecision {
 public:
  FullPrecision();
  ~FullPrecision();
  FullPrecision(const FullPrecision&) = delete;
  FullPrecision& operator=(const FullPrecision&) = delete;

 private:
  at::NoTF32Guard on_gpu_;  // matrix products, of this thread
};

namespace internal {

// For tests: how many of the switches allow less than floats have.
size_t reduced_precisions();

}  // namespace internal
}  // namespace discreet
