// A clip rule: how one operation's parameters get per-sample gradient norms and weighted gradient sums from
// what autograd has anyway (the operation's saved inputs and the gradient of its output), without one
// gradient per sample being kept unless that is the cheap way.
//
// Layout: every tensor here has the samples outermost. A tensor whose first dimension is samples * r holds r
// consecutive rows of each sample (graph.h proves this before a rule is asked).
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/libtorch.h"

namespace discreet {

struct SquaredNorms {
  at::Tensor squared;  // double [samples]: squared L2 norm of each sample's gradient
  at::Tensor error;    // double [samples]: bound on the error of the norm (not squared) and of the sample's
                       // part of add_weighted; undefined: negligible (relative 2^-20)
};

// One operation with parameters, in one backward pass. `input` is the operation's input slot that the
// parameter entered; gradients have the shape of the tensor in that slot.
class Term {
 public:
  virtual ~Term() = default;

  // Norm of each sample's gradient. A sample with a value that is not finite gets a norm that is not finite.
  virtual SquaredNorms squared_norms(uint32_t input) = 0;

  // sum += sum over samples i in [begin, end) of weights[i] * gradient of sample i. `weights` is double
  // [samples], `sum` double in the slot's shape (any strides). At most 256 samples at a time: within them the
  // sum runs in the model's precision. A sample of weight 0 adds exactly nothing, whatever it contains.
  virtual void add_weighted(uint32_t input, const at::Tensor& weights, int64_t begin, int64_t end,
                            at::Tensor sum) = 0;

  // The slow, direct way: double, the sum of the gradients of samples [begin, end).
  virtual at::Tensor gradient(uint32_t input, int64_t begin, int64_t end) = 0;
};

struct Rule {
  const char* name;       // "linear"
  const char* operation;  // the autograd node it covers: "AddmmBackward0"
  // Why a parameter in this slot of this node cannot be covered; empty where it can.
  std::string (*refusal)(libtorch::Node& node, uint32_t input, int64_t samples);
  // output_gradient: the gradient of the node's first output, dense, samples outermost.
  std::unique_ptr<Term> (*bind)(libtorch::Node& node, const at::Tensor& output_gradient, int64_t samples);
};

}  // namespace discreet
