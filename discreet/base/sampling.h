// Exact samplers over the integers: the distribution is the one named, not a floating-point neighbour of it.
#pragma once

#include <cstdint>
#include <vector>

#include "discreet/base/random.h"

namespace discreet {

// Uniform over {0, ..., n - 1}; n >= 1, else kInvalidArgument. Rejection, no modulo bias.
uint64_t uniform_below(RandomStream& random, uint64_t n);

// True with exactly the probability p, a double in [0, 1] (every bit of it counts); else kInvalidArgument.
bool bernoulli(RandomStream& random, double p);

// The indices of {0, ..., n - 1} that are drawn, ascending, each independently with probability exactly
// sample_rate in [0, 1]; n >= 0. This is the "Poisson sampling" of the accountant (accounting/event.h).
// Time grows with the number drawn, not with n: the gaps are geometric (geometric.h).
std::vector<int64_t> poisson_sample(RandomStream& random, int64_t n, double sample_rate);

// A uniformly random k-subset of {0, ..., n - 1}, ascending; 0 <= k <= n (Floyd's algorithm).
std::vector<int64_t> choose(RandomStream& random, int64_t n, int64_t k);

// The discrete Laplace distribution: Pr[x] proportional to exp(-|x| / scale) over the integers. Exact:
// Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), Algorithm 2, with
// integer arithmetic only. scale must be a multiple of 2^-10 in [2^-10, 2^30], else kInvalidArgument.
int64_t discrete_laplace(RandomStream& random, double scale);

// The discrete Gaussian N_Z(0, stddev^2): Pr[x] proportional to exp(-x^2 / (2 stddev^2)) over the integers.
// Exact: the same paper, Algorithms 1-3. stddev must be a multiple of 2^-10 in [2^-10, 2^30], else
// kInvalidArgument.
int64_t discrete_gaussian(RandomStream& random, double stddev);

}  // namespace discreet
