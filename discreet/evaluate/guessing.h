// How much better a model is than an answer that looks at no column, on the same records. For the owner.
#pragma once

#include <torch/torch.h>

namespace discreet {

struct GuessingMetrics {
  double model = 0, guess = 0;  // means over the records
  double margin = 0;            // two standard errors of their difference, which is paired by record
};

// A score for each record, [N] each, N >= 1: right or wrong (1, 0), or an error. kInvalidArgument otherwise.
GuessingMetrics compare_with_guessing(const torch::Tensor& model, const torch::Tensor& guess);

// The class that most of these targets have (int64, -1: none), the lowest of several; 0 where none has one.
int64_t most_frequent_class(const torch::Tensor& targets);

}  // namespace discreet
