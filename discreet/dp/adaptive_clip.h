// A clip that follows a quantile of the gradients' norms (Andrew, Thakkar, McMahan, Ramaswamy 2021,
// "Differentially Private Learning with Adaptive Clipping", Algorithm 1).
//
// With each clipped sum the engine releases a noisy count of the units whose norm is within the clip C, and
// the next step's clip is
//   C exp(-learning_rate (share - target_quantile)),   share = 1/2 + (count + noise) / batch_size,
// where a unit adds b - 1/2 to the count, b in [0, 1]. The clip of a step depends on earlier releases only.
//
// Charged. A step is one Gaussian mechanism on the vector of both: in units of its own noise a unit adds at
// most 1 / z_sum in the sum's coordinates and 1 / (2 s) in the count's, s the standard deviation of the
// count's noise. Together sqrt(z_sum^-2 + (2 s)^-2), which is 1 / noise_multiplier for
//   z_sum = (noise_multiplier^-2 - (2 s)^-2)^(-1/2)                                      (Theorem 1 there)
// So the event stays the one of noise_multiplier, under every relation and sampling, and the sum gets more
// noise. The count's noise is on a lattice (base/lattice_gaussian.h), as the sum's is.
//
// b is not the paper's indicator of norm <= C but falls in a line from 1 at 7/8 C to 0 at 9/8 C. Norms are
// floating-point results whose last bits may depend on the other records of a batch (clip.h): an indicator
// would turn the last bit of a norm near C into a whole unit, for as many units as have that norm. Not
// proven: a norm's last bits still move b, by four times their share of C, for each unit of a batch.
#pragma once

#include <torch/torch.h>

#include <optional>

#include "discreet/base/random.h"

namespace discreet {

struct AdaptiveClipping {
  double target_quantile = 0.5;  // share of the units whose norm the clip shall not pass, [0, 1]
  double learning_rate = 0.2;    // of the logarithm of the clip, (0, 10]
  // s, in units; above noise_multiplier / 2 and finite. Empty: batch_size / 20, as in the paper.
  std::optional<double> count_noise_multiplier = {};
};

// The range that a clip is kept in.
inline constexpr double kLeastClip = 1e-12, kLargestClip = 1e12;

// What units add to the count: b - 1/2, in [-1/2, 1/2], for norms of any shape in double. norms: finite, not
// negative; clip: positive.
at::Tensor count_parts(const at::Tensor& norms, double clip);

class AdaptiveClip {
 public:
  // noise_multiplier: of the two together, as the accountant is told. kInvalidArgument where an option is out
  // of its range, or the first clip outside [kLeastClip, kLargestClip].
  AdaptiveClip(const AdaptiveClipping& options, double noise_multiplier, double batch_size,
               double first_clip);

  double sum_noise_multiplier() const { return sum_noise_multiplier_; }  // z_sum
  double count_stddev() const { return count_stddev_; }                  // s

  // One release of the count that was taken at `clip`: the next clip.
  double next(double clip, double count, RandomStream& random) const;

 private:
  AdaptiveClipping options_;
  double batch_size_, count_stddev_, sum_noise_multiplier_;
};

}  // namespace discreet
