// The plan of a run that goes on: made again from its stored facts, it has to be the one that the ledger
// holds.
#pragma once

#include "discreet/accounting/event.h"
#include "discreet/train/training_plan.h"

namespace discreet {

// True where `recorded` is the event of this plan but for a noise multiplier that a cap raised, or that
// another processor's rounding calibrated lower, by at most a millionth. The plan then has the recorded one,
// which the run was charged for.
bool take_recorded_noise(TrainingPlan& training, const Event& recorded);

}  // namespace discreet
