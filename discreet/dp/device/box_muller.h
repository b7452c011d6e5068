// Pairs of independent normals from random bits, in tensors: the functions of base/box_muller.h, whose words
// and further digits mean the same here. Two precisions with error bounds; nothing is read back to the host.
//
// Assumed of the device: log1p, cos, sin and sqrt of doubles are good to a few units of 2^-53 (CUDA: 1 or 2).
// check_device (lattice_gaussian.h) looks.
#pragma once

#include <ATen/ATen.h>

namespace discreet::device {

struct Pairs {
  at::Tensor noise;  // double [2, n]: both values of each pair, in units of which `scale` are one deviation
  at::Tensor error;  // double [n]: bounds both; infinite within 2^-24 of u = 0 and u = 1
};

// Doubles, by the formula and the bound of box_muller_double. radius, angle: int32 [n]; scale in [2^10,
// 2^11).
Pairs box_muller_doubles(const at::Tensor& radius, const at::Tensor& angle, double scale);

// 128 further digits of each number. further: int32 [8, n]; words 2j and 2j + 1 are the low and the high half
// of the j-th 64 bits, the first two of which belong to the radius. -> double [kLimbs, 2, n], wide numbers.
// Error: below 2^-85 while 2^-65 <= u <= 1 - 2^-80. Beyond, the digits not drawn and the square root count:
// below 2^-150 / (u r) and 2^-122 / r. Weighed by how seldom that is, still below 2^-100: the chance that a
// given boundary lies within the error is the area, in the plane of both normals, of a strip that wide.
//
// The same numbers as box_muller_quad's, but for one case: where the leading digits of a number are all 0
// (one word in 2^31), that takes a further 64 bits of it; here digits end at 160 of u and 159 of v.
at::Tensor box_muller_wide(const at::Tensor& radius, const at::Tensor& angle, const at::Tensor& further,
                           double scale);

}  // namespace discreet::device
