// Mass of the standard normal distribution between two points, with a small relative error also far out and
// for narrow intervals, where a difference of two distribution functions would lose every digit.
#pragma once

namespace discreet {

// Pr[low < Z + mean < high]; 0 unless low < high. Infinite ends are allowed. The interval is the one given,
// also where low - mean and high - mean would round to another width.
double normal_mass(double low, double high, double mean = 0);

// Bound on the relative error of normal_mass on an interval whose finite ends are at most `at` from the mean,
// and the mean from 0: the exponent at^2 / 2 is rounded, and the rest is a few roundings.
constexpr double normal_mass_error(double at) {
  return (64 + 8 * at * at) * 0x1p-53;
}

}  // namespace discreet
