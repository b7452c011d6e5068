#include "discreet/train/resumed_plan.h"

namespace discreet {

bool take_recorded_noise(TrainingPlan& training, const Event& recorded) {
  if (recorded == training.event()) return true;
  if (recorded.kind() != Event::Kind::kRepeated) return false;
  const Event& step = recorded.events()[0];
  if (step.kind() != Event::Kind::kPoissonSampled) return false;
  const Event& release = step.events()[0];
  if (release.kind() != Event::Kind::kGaussian) return false;
  TrainingPlan other = training;
  other.plan.noise_multiplier = release.noise_multiplier();
  const double now = *training.plan.noise_multiplier;
  if (!(other.event() == recorded) || !(release.noise_multiplier() >= now * (1 - 1e-6))) return false;
  training = other;
  return true;
}

}  // namespace discreet
