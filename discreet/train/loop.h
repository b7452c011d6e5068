// The training loop of a run: its steps (steps.h), each charged before its release; checkpoints, progress and
// a clean stop between steps.
#pragma once

#include <memory>

#include "discreet/dp/processes.h"
#include "discreet/model/network.h"
#include "discreet/store/ledger.h"
#include "discreet/train/checkpoint.h"
#include "discreet/train/private_data.h"
#include "discreet/train/run_folder.h"
#include "discreet/train/training_plan.h"

namespace discreet {

struct LoopResult {
  std::shared_ptr<Network> network;  // with its final, averaged weights
  Counters counters;
  double seconds = 0;      // of this process
  int64_t not_finite = 0;  // gradients that were NaN or infinite and counted as zero; the owner's
};

// Runs the plan from where the run folder's checkpoint stands to its end. Each release is charged in the
// ledger first. Throws kInterrupted after a clean stop (SIGINT, SIGTERM), with a checkpoint that loses
// nothing. `processes`: those that make the same steps beside this one, which is process 0; null for none.
LoopResult run_loop(RunFolder& folder, Ledger& ledger, const PreparedData& data, const TrainingPlan& training,
                    std::shared_ptr<Processes> processes = {});

}  // namespace discreet
