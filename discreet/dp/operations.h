// Operations that keep the samples of a batch apart, with the batch as the outermost dimension.
//
// The invariant (graph.h): a tensor of a batch of n samples has a first dimension divisible by n, and its
// i-th n-th part, in row-major order, belongs to sample i. An operation is on the list only if the gradient
// of part i of its input depends on no other part of its output's gradient; which parts those are must follow
// from shapes and saved dimensions alone, never from values. Everything else is refused.
#pragma once

#include <cstdint>
#include <string>

#include "discreet/dp/libtorch.h"

namespace discreet {

// Why the path from input `input` of this node to its output may mix samples; empty where it does not.
std::string mixing_reason(libtorch::Node& node, uint32_t input, int64_t samples);

}  // namespace discreet
