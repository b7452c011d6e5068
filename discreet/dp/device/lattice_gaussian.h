// Gaussian noise that is safe in floating point (base/lattice_gaussian.h), drawn on the device where the
// values lie, without waiting for it: nothing is read back, and what is copied there is queued.
//
// The release is (value + ideal real Gaussian) rounded to the lattice: post-processing of the exact Gaussian
// mechanism. Doubles with a certified bound decide for nearly every pair; the undecided ones, of which each
// chunk has room for a fixed number, get 128 further digits and wide arithmetic. Remainder: 2^-80 a value for
// a third straddle, and 2^-80 a chunk for more undecided pairs than there is room for.
// What is assumed: the keystream is random (base/random.h), the device's functions are as box_muller.h says;
// timing is not hidden. Tensors that tell keys, words, noise or sums are set to zero after use, so that they
// are not left in the device's memory; but for some of the few undecided pairs'.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "discreet/base/random.h"

namespace discreet::device {

// Replaces each value by (value + N(0, stddev^2)) rounded to a multiple of lattice_step(stddev); the noises
// are independent. From 2^52 steps on doubles are multiples already: there the noise is rounded, and the sum
// then to the nearest double. values: double [n], contiguous, on any device, else kInvalidArgument; so for a
// stddev that lattice_step refuses. Sums must be finite, which the caller's clipping makes them: what is not
// finite stays so (an infinity or NaN is not hidden, and not reported).
// A device is checked when it is first used: check_device below.
void add_lattice_gaussian(RandomStream& random, double stddev, at::Tensor values);

// Known answers: ChaCha20, the functions that box_muller.h assumes, rounding to whole numbers, and pairs of
// wide numbers as a CPU computes them. Reads from the device once; a device that passed is not asked again.
// kUnsupported if an answer is wrong. May be called from any thread.
void check_device(at::Device device);

namespace internal {

constexpr int64_t kChunkPairs = int64_t{1} << 22;

struct Options {
  bool all_wide = false;  // every pair by wide arithmetic: the same release, bit for bit
  int64_t chunk_pairs = kChunkPairs;
};

// For tests: -> for each chunk, how many pairs the doubles left undecided, int64 [] on the device.
std::vector<at::Tensor> add_lattice_gaussian(RandomStream& random, double stddev, const at::Tensor& values,
                                             const Options& options);

// How many undecided pairs a chunk has room for.
int64_t room_for_undecided(int64_t pairs);

}  // namespace internal
}  // namespace discreet::device
