// The optimizers that a plan can name: each takes the released gradient and nothing else, so none costs
// privacy.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace discreet {

struct OptimizerChoice {
  std::string_view name;
  std::unique_ptr<torch::optim::Optimizer> (*make)(std::vector<torch::Tensor> weights, double learning_rate,
                                                   double momentum);
};

// sgd (momentum as given), adam (momentum is its beta1).
std::span<const OptimizerChoice> optimizers();

// Throws Error(kInvalidArgument) naming the allowed optimizers.
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const std::string& name,
                                                        std::vector<torch::Tensor> weights,
                                                        double learning_rate, double momentum);

void set_learning_rate(torch::optim::Optimizer& optimizer, double learning_rate);

}  // namespace discreet
