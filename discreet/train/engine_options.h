// What a plan asks of its engine: how units are sampled, clipped and noised. The loop trains with these
// options, and the certificate describes them.
#pragma once

#include "discreet/accounting/relation.h"
#include "discreet/dp/privacy_engine.h"
#include "discreet/train/training_plan.h"

namespace discreet {

// Adaptive clipping is that of the paper (adaptive_clip.h) but where its noise on the count, batch_size / 20,
// is below noise_multiplier: then that is taken, so that the count costs the sum at most a factor 2 / sqrt(3)
// in noise, and any batch size can be had with any budget.
PrivacyOptions engine_options(const TrainingPlan& training, Relation relation);

}  // namespace discreet
