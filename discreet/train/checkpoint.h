// Where a run stands after some step, as bytes: weights, optimizer state, averages and counters.
//
// Everything in it is post-processing of noised releases, except the loss curve, which is for the owner's
// page: checkpoints stay in the owner's run folder.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/train/tail_average.h"

namespace discreet {

struct Counters {
  int64_t position = 0;  // charges used or lost so far: the next step uses charge number `position`
  int64_t lost = 0;      // charges of steps whose result a crash took away; they are never repeated
  std::optional<double> next_clip = {};  // of adaptive clipping: what the releases so far made of the clip
  std::vector<double> loss_curve = {};   // mean training loss of each step that was run (with several
                                         // processes, of this one's share); the owner's
};

std::string save_checkpoint(const std::vector<torch::Tensor>& weights,
                            const torch::optim::Optimizer& optimizer, const TailAverage& average,
                            const Counters& counters);

// Restores all four. Throws Error(kDataLoss) where the bytes do not fit this model.
void load_checkpoint(const std::string& bytes, const std::vector<torch::Tensor>& weights,
                     torch::optim::Optimizer& optimizer, TailAverage& average, Counters& counters);

}  // namespace discreet
