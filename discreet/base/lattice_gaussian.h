// Gaussian noise that is safe in floating point: the release is (value + ideal real Gaussian) rounded to a
// fixed lattice, which is post-processing of the exact Gaussian mechanism.
//
// The attack this answers: a floating-point Gaussian reaches only some doubles near value + noise, and which
// ones tells the value (Mironov 2012, "On Significance of the Least Significant Bits"; Jin et al. 2022 and
// Holohan and Braghin 2021 for Gaussians). Here every released number is an integer multiple of one step, and
// each multiple has exactly the probability that the ideal mechanism followed by rounding would give it.
//
// How: a Gaussian is a function (Box-Muller) of two uniforms with as many random bits as are needed. A fast
// double evaluation gives value + noise with a certified error bound. Where a rounding boundary of the
// lattice lies within the bound, the same uniforms are extended by further random bits and evaluated in
// __float128 (113 bits). Remainder: at the default step a second straddle, where the float128 result is
// rounded as it is, has probability below 2^-80 a value; so over 2^40 released values the statistical
// distance from the ideal mechanism is below 2^-40 (it adds to delta, and is not visible beside it).
// What is assumed: the keystream is random (random.h); timing is not hidden.
#pragma once

#include <cstdint>
#include <span>

#include "discreet/base/random.h"

namespace discreet {

// The lattice for noise of this standard deviation: the largest power of two that is at most
// stddev * 2^-10. It depends on nothing but stddev. stddev in [2^-900, 2^900], else kInvalidArgument.
double lattice_step(double stddev);

// Replaces each value by (value + N(0, stddev^2)) rounded to a multiple of lattice_step(stddev); the noises
// are independent. A sum so big that doubles there are coarser than the lattice (2^53 steps) is then rounded
// to the nearest double, which is a multiple too, and again only post-processing. Every value must be finite,
// else kInvalidArgument and no value is changed.
void add_lattice_gaussian(RandomStream& random, double stddev, std::span<double> values);

namespace internal {

// Distance, in steps, from a rounding boundary below which the fast result is not trusted. The error of the
// fast evaluation is below 2^-22 steps: see the budget in lattice_gaussian.cc and the test that measures it.
constexpr double kFastError = 0x1p-18;

// For tests: as add_lattice_gaussian, but every value takes the __float128 path. Same result, bit for bit.
void add_lattice_gaussian_slowly(RandomStream& random, double stddev, std::span<double> values);

// For tests: the noise in steps, before rounding, of the two values whose uniforms begin with these words, at
// a standard deviation of `scale` steps. fast_pair returns false where it does not trust itself (the tails);
// slow_pair takes the further bits from `more` and gives each value as high + low.
bool fast_pair(uint64_t radius_word, uint64_t angle_word, double scale, double noise[2]);
void slow_pair(uint64_t radius_word, uint64_t angle_word, RandomStream& more, double scale, double high[2],
               double low[2]);

}  // namespace internal
}  // namespace discreet
