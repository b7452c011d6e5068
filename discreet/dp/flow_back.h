// The gradient's way from the output to every use of a parameter, which uses the graph up.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

#include "discreet/dp/graph.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {

// Called for each use as soon as its rule has what it needs, while the gradient is still near the processor
// and before the rest of the backward pass.
using UseTaken = std::function<void(const ParameterUse& use, Gradients& gradients)>;

// For each of the nodes the gradients of its uses, in their order, when output_gradient flows into the output
// behind which they lie. By libtorch's own backward, which computes no parameter's gradient; but a node whose
// rule passes the gradient on itself is where one stage ends, and its inputs are where the next one begins.
// What a rule needs of a node it takes just before the gradient flows through, so that the rest of what was
// saved is let go. kUnsupported for a gradient that libtorch's own backward would misread.
std::vector<std::vector<std::unique_ptr<Gradients>>> flow_back(const std::vector<UseNode>& nodes,
                                                               const at::Tensor& output,
                                                               const at::Tensor& output_gradient,
                                                               const UseTaken& use_taken);

}  // namespace discreet
