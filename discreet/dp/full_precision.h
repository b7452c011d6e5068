// Products of floats in the precision of floats.
#pragma once

#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/torch.h>

namespace discreet {

// While one lives, libtorch rounds no factor of a product of floats on this device to 16 bits or TF32. It
// does so where the user asks for it (a backward pass inside of autocast; on a processor that has such
// products torch.set_float32_matmul_precision("medium")), and in convolutions on a GPU unless told not to:
// norms and sums would move by a hundred times what the bounds of rules/outer_products.h and the sensitivity
// (clip.h) allow for. The model's own products stay as the user wants them. Some of these switches are for
// all threads: they are as they were found once no thread needs them otherwise.
class FullPrecision {
 public:
  explicit FullPrecision(at::Device device);
  ~FullPrecision();
  FullPrecision(const FullPrecision&) = delete;
  FullPrecision& operator=(const FullPrecision&) = delete;

 private:
  bool on_processor_;
  // Of this thread.
  c10::impl::ExcludeDispatchKeyGuard no_autocast_{c10::autocast_dispatch_keyset};
  at::NoTF32Guard no_tf32_;  // in matrix products on a GPU
};

namespace internal {

// For tests: how many of the switches for this device allow less than floats have.
size_t reduced_precisions(at::Device device);

}  // namespace internal
}  // namespace discreet
