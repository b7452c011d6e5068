// Fixed-point numbers of 140 fractional bits in tensors, for decisions that doubles cannot make.
//
// A wide number is eight doubles with whole values, its limbs, in the first dimension of a tensor: the sum of
// limb i times 2^(-20 i). So limb 0 is the whole part. Limbs may be negative. "Settled": limbs 1 to 7 are at
// most 2^19 + 2^6 in magnitude, limb 0 at most 2^20. Every operation on limbs is exact, in whatever order and
// on whatever device it is done, for nothing reaches 2^53; only where a result is cut to eight limbs is there
// an error, stated below. Nothing is read back to the host.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

namespace discreet::device {

constexpr int kLimbBits = 20;
constexpr int64_t kLimbs = 8, kProductLimbs = kLimbs + 2;

// On the host: a constant, to 2^-141 or its own 113 bits.
std::array<double, kLimbs> limbs_of(__float128 value);

// Carries, in place, with limb 0 keeping what comes to it; the value stays. Two rounds settle limbs up to
// 2^45, three up to 2^52. Any number of limbs. -> x.
at::Tensor settle(at::Tensor x, int rounds = 2);

// The products limb by limb, not settled: [kProductLimbs, ...]; the other dimensions, equally
// many, are broadcast. Factors:
// settled, or sums of two such. |what is left out| < 2^-152; limbs are below 2^44, so that up to 2^8 products
// may be added before three rounds settle them.
at::Tensor products(const at::Tensor& a, const at::Tensor& b);

// Settles and cuts to kLimbs: error below 2^-140 (with products' own).
at::Tensor settled_product(at::Tensor products);
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

// The nearest doubles but for 2^-51 of the value. x: settled, any number of limbs. -> without the first
// dimension.
at::Tensor to_double(const at::Tensor& x);

// Of doubles below 2^20: error at most 2^-141, so none where all bits are above that. -> [kLimbs, ...],
// settled.
at::Tensor from_double(const at::Tensor& x);

// The nearest whole numbers, as doubles. x: settled, and decided by all its limbs. A tie goes either way.
at::Tensor nearest_whole(const at::Tensor& x);

}  // namespace discreet::device
