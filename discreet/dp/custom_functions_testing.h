// Functions of the user's own for tests: what they do inside is not in the autograd graph.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace discreet::testing_functions {

struct Doubled : torch::autograd::Function<Doubled> {
  using Tensor = at::Tensor;
  static Tensor forward(torch::autograd::AutogradContext*, Tensor x) { return x * 2; }
  static std::vector<Tensor> backward(torch::autograd::AutogradContext*, std::vector<Tensor> g) {
    return {g[0] * 2};
  }
};

// A linear layer, computed again on the way back.
struct Checkpoint : torch::autograd::Function<Checkpoint> {
  using Tensor = at::Tensor;
  static Tensor forward(torch::autograd::AutogradContext* context, Tensor x, const Tensor* weight) {
    context->save_for_backward({x});
    context->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    return torch::linear(x, *weight);
  }
  static std::vector<Tensor> backward(torch::autograd::AutogradContext* context, std::vector<Tensor> g) {
    const auto* weight = reinterpret_cast<const Tensor*>(context->saved_data["weight"].toInt());
    const Tensor x = context->get_saved_variables()[0].detach().requires_grad_();
    torch::AutoGradMode on(true);
    torch::linear(x, *weight).backward(g[0]);
    return {x.grad(), Tensor()};
  }
};

}  // namespace discreet::testing_functions
