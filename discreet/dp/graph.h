// Where the trained parameters enter the autograd graph behind a model's output, and the proof that every row
// there belongs to one sample.
//
// Samples are told apart by position alone: the output is [samples, ...], and from it downwards every
// operation on the way to a parameter must be on the list of operations.h, which keep the batch outermost. A
// layout that values decide (index, gather, packed sequences), a batch that moves to another dimension, and a
// node that is not known are refused, never guessed. Statistics of the batch that a model detaches are not in
// the graph: PrivacyEngine::check looks for those.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/rules/rule.h"

namespace discreet {

struct TrainedParameter {
  std::string name;
  at::Tensor tensor;  // a leaf that requires a gradient
};

// A transposition or reshaping between a parameter and the operation that uses it; it keeps norms.
struct AliasStep {
  int64_t dim0, dim1;     // transposed, where shape is empty
  libtorch::Shape shape;  // viewed as
};

struct ParameterUse {
  size_t parameter;                // index into the list of trained parameters
  uint32_t input;                  // the node's input slot that it entered
  std::vector<AliasStep> aliases;  // from the parameter to the slot

  // The slot's view of a tensor that has the parameter's shape.
  at::Tensor alias(at::Tensor tensor) const;
};

struct UseNode {
  std::shared_ptr<libtorch::Node> node;
  const Rule* rule;
  std::vector<ParameterUse> uses;
};

// Every use of every trained parameter in the graph of `output` [samples, ...], samples >= 1.
// Throws kUnsupported, naming the parameter and the operation: a use that no rule covers; an operation on the
// way to the output that may mix samples; a trained parameter that the output does not depend on; an output
// with no graph at all (detached, or computed under no_grad).
std::vector<UseNode> find_uses(const at::Tensor& output, const std::vector<TrainedParameter>& parameters);

}  // namespace discreet
