// Gaussian noise that is safe in floating point: the release is (value + ideal real Gaussian) rounded to a
// fixed lattice, which is post-processing of the exact Gaussian mechanism.
//
// The attack this answers: a floating-point Gaussian reaches only some doubles near value + noise, and which
// ones tells the value (Mironov 2012, "On Significance of the Least Significant Bits"; Jin et al. 2022 and
// Holohan and Braghin 2021 for Gaussians). Here every released number is an integer multiple of one step, and
// each multiple has exactly the probability that the ideal mechanism followed by rounding would give it.
//
// How: a Gaussian is a function (Box-Muller) of two uniforms with as many random bits as are needed. An
// evaluation in floats of their first 32 bits gives value + noise with a certified error bound. Where a
// rounding boundary of the lattice lies within the bound (about one pair in 200), doubles decide with a finer
// one; where that fails too (one in 100,000), the uniforms are extended by further random bits and evaluated
// in
// __float128 (113 bits). So the release does not depend on which path was taken, nor on the processor.
// Remainder: a third straddle, where the float128 result is rounded as it is, has probability below 2^-80 a
// value; so over 2^40 released values the statistical distance from the ideal mechanism is below 2^-40 (it
// adds to delta, and is not visible beside it).
// What is assumed: the keystream is random (random.h); timing is not hidden.
#pragma once

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

// The same for floats; stddev in [2^-100, 2^96], else kInvalidArgument. The same random bits give the same
// release as for doubles, rounded to the nearest float (exact up to 2^24 steps, and always a multiple).
void add_lattice_gaussian(RandomStream& random, double stddev, std::span<float> values);

// released[i] = (what the first gives for sums[i]) * factor, rounded to the nearest float; sums stay as they
// are. factor: finite; sizes equal; else kInvalidArgument. So for a sum that is not finite; what was written
// until there is no release then.
void release_lattice_gaussian(RandomStream& random, double stddev, std::span<const double> sums,
                              double factor, std::span<float> released);

// The same for sums that are float + float; released may be one of the two.
void release_lattice_gaussian(RandomStream& random, double stddev, std::span<const float> sums,
                              std::span<const float> more, double factor, std::span<float> released);

// The same in place: the sums are floats. stddev as for floats above, which this tells.
bool fits_floats(double stddev);
void release_lattice_gaussian(RandomStream& random, double stddev, double factor, std::span<float> sums);

namespace internal {

// For tests: as add_lattice_gaussian, but evaluation begins at this precision. Same result, bit for bit.
enum class Precision { kFloat, kDouble, kQuad };
void add_lattice_gaussian(RandomStream& random, double stddev, std::span<double> values, Precision first);
void add_lattice_gaussian(RandomStream& random, double stddev, std::span<float> values, Precision first);

}  // namespace internal
}  // namespace discreet
