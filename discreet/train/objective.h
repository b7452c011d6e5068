// The per-sample loss of a task, summed: what one record adds depends on that record alone.
#pragma once

#include <torch/types.h>

#include "discreet/train/private_data.h"

namespace discreet {

struct Objective {
  // outputs [B, k], targets int64 [B] classes or float [B] -> the sum of the samples' losses.
  torch::Tensor (*summed_loss)(const torch::Tensor& outputs, const torch::Tensor& targets);
};

// Cross-entropy for classes, half the squared error for a regression: with the clipping of a record's
// gradient it acts as a Huber loss, whose bound is the preset's max_grad_norm.
const Objective& objective_of(const PreparedData& data);

}  // namespace discreet
