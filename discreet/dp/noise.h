// The Gaussian mechanism on a clipped sum: dense noise on every coordinate of every trained parameter,
// whether the batch touched it or not, rounded to the lattice of base/lattice_gaussian.h.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "discreet/base/random.h"
#include "discreet/dp/clip.h"

namespace discreet {

// The standard deviation that noise on this sum must have: noise_multiplier * sensitivity.
double noise_stddev(const ClippedSum& sum, double noise_multiplier);

// On a device the noise is drawn there (device/lattice_gaussian.h), and the processor does not wait.
//
// Consumes the sum: one sum, one release. Double tensors in the parameters' shapes. noise_multiplier: finite
// and positive, else kInvalidArgument. The caller charges for the release before this is called.
std::vector<at::Tensor> add_noise(ClippedSum&& sum, double noise_multiplier, RandomStream& random);

// The same release over `normaliser`, in the type that parameter i has: what an optimizer takes. Where that
// is float, sum, noise, rounding and scale are one pass over memory.
std::vector<at::Tensor> add_noise(ClippedSum&& sum, double noise_multiplier, double normaliser,
                                  const std::vector<TrainedParameter>& parameters, RandomStream& random);

}  // namespace discreet
