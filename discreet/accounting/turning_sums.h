// Sums of weights that turn, each at its own speed: sum over i of weight_i e^(i n angle_i) for n = 1, 2, ...,
// count, by vectors of the processor's best kind.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

namespace discreet {

// weights of at least 0, as many as angles.
std::vector<std::complex<double>> turning_sums(const std::vector<double>& angles,
                                               const std::vector<double>& weights, size_t count);

// Bound on each one's error over the sum of the weights, but for what rounding an angle does: n times that.
double turning_error(size_t points, size_t count);

}  // namespace discreet
