#include "discreet/train/engine_options.h"

#include <algorithm>

namespace discreet {
namespace {

constexpr double kPapersShare = 20;  // batch_size over the deviation of the count's noise

}  // namespace

PrivacyOptions engine_options(const TrainingPlan& training, Relation relation) {
  PrivacyOptions options{.batch_size = *training.plan.batch_size,
                         .sample_size = *training.plan.sample_size,
                         .noise_multiplier = *training.plan.noise_multiplier,
                         .max_grad_norm = training.max_grad_norm,
                         .loss_reduction = Reduction::kSum,
                         .relation = relation};
  switch (training.clipping) {
    case ClippingMode::kFlat: break;
    case ClippingMode::kPerLayer: options.clipping.style = Clipping::Style::kPerLayer; break;
    case ClippingMode::kNormalised: options.clipping.normalise = true; break;
    case ClippingMode::kAdaptive:
      options.adaptive_clipping = {
          .count_noise_multiplier =
              std::max(static_cast<double>(options.batch_size) / kPapersShare, options.noise_multiplier)};
      break;
  }
  return options;
}

}  // namespace discreet
