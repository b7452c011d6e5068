// A Gaussian release without sampling, or several: delta and epsilon in closed form (Balle and Wang 2018,
// Theorem 8), as bounds that include every rounding.
#pragma once

#include <utility>

namespace discreet {

// mu, above 0: how many standard deviations the means are apart. Lower and upper bound on delta at epsilon >=
// 0.
std::pair<double, double> plain_gaussian_delta(double mu, double epsilon);

// The same on epsilon at delta in (0, 1).
std::pair<double, double> plain_gaussian_epsilon(double mu, double delta);

}  // namespace discreet
