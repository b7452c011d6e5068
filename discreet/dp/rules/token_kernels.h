// Sums over the tokens of a sample, on the processor: no copy in double, no sorting of the whole batch.
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/token_gradients.h"

namespace discreet {

// Whether the two below take these: floats or doubles on the processor, whole rows of a table.
bool has_token_kernels(const ReadTokens& read);

// Double [samples]: the squared norm of each sample's gradient, repeated tokens added up first.
at::Tensor token_squares(const ReadTokens& read);

// sum [vocabulary, width], float or double, += weights[i] * what sample i of `samples` (int64) adds: a
// sample's repeated tokens are added up in double first, so that each row of it is rounded once. weights:
// double, one for each of `samples`.
void add_tokens(const ReadTokens& read, const at::Tensor& samples, const at::Tensor& weights,
                const at::Tensor& sum);

}  // namespace discreet
