#include "discreet/train/mechanism_words.h"

#include "discreet/base/lattice_gaussian.h"
#include "discreet/base/text.h"
#include "discreet/train/engine_options.h"

namespace discreet {
namespace {

std::string clipping_words(const CertifiedRun& run, const std::string& unit) {
  const PrivacyOptions options = engine_options(run.training, run.job.relation);
  const std::string each = "each " + unit + "'s gradient, summed over all trained parameters, ";
  const std::string bounded = "is scaled to an L2 norm of at most ";
  switch (run.training.clipping) {
    case ClippingMode::kFlat: return each + bounded + "max_grad_norm";
    case ClippingMode::kPerLayer:
      return "each " + unit + "'s gradient " + bounded +
             "max_grad_norm / sqrt(L) in each of the L layers that are trained, so at most max_grad_norm "
             "over all";
    case ClippingMode::kNormalised:
      return each + "is multiplied by max_grad_norm / (its L2 norm + " +
             format_number(options.clipping.stability) + "), so its norm is below max_grad_norm";
    case ClippingMode::kAdaptive:
      return each + bounded +
             "the step's clip: max_grad_norm in the first step, then the clip before times exp(-" +
             format_number(options.adaptive_clipping->learning_rate) + " (share - " +
             format_number(options.adaptive_clipping->target_quantile) +
             ")), where share is about the share of the units that the clip left as they were, with noise "
             "(Andrew and others 2021)";
  }
  return "";
}

std::string noise_words(const CertifiedRun& run) {
  const PrivacyOptions options = engine_options(run.training, run.job.relation);
  const std::string coordinates = "Gaussian on every coordinate of every trained parameter";
  const std::string rounded = "; sum plus noise is rounded to a lattice of step ";
  const auto step = [&](double multiplier) {
    return format_number(lattice_step(multiplier * (1 + 0x1p-10) * options.max_grad_norm));
  };
  const std::string divided = "; divided by the fixed normaliser";
  if (!options.adaptive_clipping)
    return coordinates + " at every step" + rounded + step(options.noise_multiplier) + divided;
  const AdaptiveClip clip(*options.adaptive_clipping, options.noise_multiplier,
                          static_cast<double>(options.batch_size), options.max_grad_norm);
  return coordinates + ", of deviation " + format_number(clip.sum_noise_multiplier()) +
         " times the clip, and on a count of the units that the clip leaves as they are, to which each adds "
         "-1/2 to 1/2, of deviation " +
         format_number(clip.count_stddev()) +
         ", at every step: together one Gaussian mechanism of the event's noise multiplier" + rounded +
         step(clip.sum_noise_multiplier()) + " in the first step and by the same rule later" + divided;
}

}  // namespace

Mechanism mechanism_of(const CertifiedRun& run) {
  const std::string unit = run.job.unit ? "unit" : "record";
  return {
      .sampler = "Poisson: in each step each " + unit +
                 " takes part independently with exactly the sample rate; empty samples release pure noise",
      .clipping =
          clipping_words(run, unit) +
          "; gradients that are not finite count as zero; the sum's sensitivity includes a factor 1 + "
          "2^-10 for rounding",
      .noise = noise_words(run),
      .generator =
          run.job.seed_for_tests ? "a test seed: NOT PRIVATE" : "ChaCha20 keyed by the kernel's getrandom",
      .floating_point =
          "clipped sums in the model's precision within 256 records, in double across; noise correctly "
          "rounded to the lattice"};
}

}  // namespace discreet
