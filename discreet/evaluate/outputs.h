// What a model says about records, computed in blocks so that memory does not grow with the data set.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>

#include "discreet/data/dataset.h"

namespace discreet {

// float32 [B, ...] as Dataset::features gives it -> [B, K]: one score for each class (before the softmax), or
// K = 1 for a regression.
using Forward = std::function<torch::Tensor(const torch::Tensor& features)>;

// float32 [R, K] for int64 rows [R], in their order, without gradients. `block` records at a time.
// Throws kInvalidArgument where forward does not give one row of outputs for each record.
torch::Tensor outputs(const Dataset& dataset, const torch::Tensor& rows, const Forward& forward,
                      int64_t block = 1024);

}  // namespace discreet
