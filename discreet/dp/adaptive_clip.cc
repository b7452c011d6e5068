#include "discreet/dp/adaptive_clip.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kHalfWidth = 0.125;  // of the line on which b falls, of the clip

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, "adaptive_clipping: " + message);
}

}  // namespace

at::Tensor count_parts(const at::Tensor& norms, double clip) {
  const at::Tensor part = ((1 - norms / clip) / (2 * kHalfWidth)).clamp_(-0.5, 0.5);
  return part.mul_(0x1p20).round_().mul_(0x1p-20);  // sums are exact, in any order and over processes
}

AdaptiveClip::AdaptiveClip(const AdaptiveClipping& options, double noise_multiplier, double batch_size,
                           double first_clip)
    : options_(options),
      batch_size_(batch_size),
      count_stddev_(options.count_noise_multiplier.value_or(batch_size / 20)) {
  if (!(options.target_quantile >= 0 && options.target_quantile <= 1))
    refuse("target_quantile must be from 0 to 1");
  if (!(options.learning_rate > 0 && options.learning_rate <= 10))
    refuse("learning_rate must be above 0 and at most 10");
  if (!(first_clip >= kLeastClip && first_clip <= kLargestClip))
    refuse("max_grad_norm, the first clip, must be from 1e-12 to 1e12");
  // In this form nothing cancels. 1e-12: the rounding of these lines.
  const double twice = 2 * count_stddev_;
  sum_noise_multiplier_ = noise_multiplier * twice /
                          std::sqrt((twice - noise_multiplier) * (twice + noise_multiplier)) * (1 + 1e-12);
  if (!(twice > noise_multiplier) || !std::isfinite(twice) || !std::isfinite(sum_noise_multiplier_))
    refuse("count_noise_multiplier must be finite and above noise_multiplier / 2, not " +
           format_number(count_stddev_) +
           (options.count_noise_multiplier ? "" : " (batch_size / 20, because none was given)") +
           ": the count alone would cost more than noise_multiplier says");
}

double AdaptiveClip::next(double clip, double count, RandomStream& random) const {
  add_lattice_gaussian(random, count_stddev_, std::span(&count, 1));
  const double share = 0.5 + count / batch_size_;
  return std::clamp(clip * std::exp(-options_.learning_rate * (share - options_.target_quantile)), kLeastClip,
                    kLargestClip);
}

}  // namespace discreet
