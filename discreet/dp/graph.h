// Where the trained parameters enter the autograd graph behind a model's output, and which part of every
// tensor there belongs to which sample.
//
// The output says it for itself: its batch dimension. From there downwards every operation on the way to a
// parameter must be on the list of operations.h, which carries the layout from its output to its inputs:
// batches that move to another dimension, time-first attention, rows that saved indices choose. A way that
// would mix samples, uses that disagree, and a node that is not known are refused, never guessed. Statistics
// of the batch that a model detaches are not in the graph: PrivacyEngine::check looks for those.
//
// A parameter may enter as itself, as a view (transposed, reshaped, a slice), or through a function of
// parameters alone (weight normalisation, a product of two adapters, exp). Rows of a table that are looked up
// and then broadcast over the batch (positions, distances) are such a view or function.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/layout.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {

struct TrainedParameter {
  std::string name;
  at::Tensor tensor;  // a leaf that requires a gradient
};

// A step from a parameter to a view of it.
struct ViewStep {
  enum class Kind { kTranspose, kPermute, kReshape, kSlice };
  Kind kind;
  libtorch::Shape numbers;  // two dimensions; all dimensions; the shape; dimension, start, length, step
  bool operator==(const ViewStep&) const = default;
};

struct ParameterUse {
  uint32_t input;                  // the node's input slot that it entered
  std::vector<size_t> parameters;  // indices into the list of trained parameters; one where it is a view
  bool is_view;
  std::vector<ViewStep> steps;  // of a view, from the parameter to the slot
  libtorch::Edge from;          // what entered the slot

  // Of a view: the slot's part of a tensor that has the parameter's shape.
  at::Tensor view(at::Tensor tensor) const;
};

struct UseNode {
  libtorch::NodePointer node;
  const Rule* rule;
  Layout layout;                   // of its first output
  std::vector<ParameterUse> uses;  // none where only its gradient is to be looked at
};

// Whether libtorch's own backward of this node may misread a gradient: that of 1.13's batch normalisation
// reads numbers that do not lie in memory as it expects (parts of a tensor, a gain with steps; the channels
// last, where a size is 1) at wrong places, and so hands one sample's gradient to others.
bool may_misread(libtorch::Node& node);
// Whether it may be so with this gradient.
bool misreads(libtorch::Node& node, const at::Tensor& gradient);

struct GraphOptions {
  int64_t batch_dimension = 0;  // the output's dimension that is the samples
  std::vector<Rule> rules;      // for operations that rules/list.h does not cover, or covers otherwise
  NormWay norm_way = NormWay::kAutomatic;  // of rules that have both
};

// Every use of every trained parameter in the graph of `output`, of at least one sample. Throws kUnsupported,
// naming the parameter and the operation: a use that no rule covers; an operation on the way to the output
// that may mix samples; a trained parameter that the output does not depend on; an output with no graph at
// all (detached, or computed under no_grad).
std::vector<UseNode> find_uses(const at::Tensor& output, const std::vector<TrainedParameter>& parameters,
                               const GraphOptions& options = {});

// For autograd's own gradients of one unit's output: throws kUnsupported where a custom autograd function or
// a checkpoint lies behind it to which they would not come, because no trained parameter is seen behind it.
void check_all_reached(const at::Tensor& output, const std::vector<TrainedParameter>& parameters);

}  // namespace discreet
