#include "discreet/train/optimizer.h"

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr OptimizerChoice kOptimizers[] = {
    {"sgd",
     [](std::vector<torch::Tensor> weights, double learning_rate,
        double momentum) -> std::unique_ptr<torch::optim::Optimizer> {
       return std::make_unique<torch::optim::SGD>(std::move(weights),
                                                  torch::optim::SGDOptions(learning_rate).momentum(momentum));
     }},
    {"adam",
     [](std::vector<torch::Tensor> weights, double learning_rate,
        double momentum) -> std::unique_ptr<torch::optim::Optimizer> {
       return std::make_unique<torch::optim::Adam>(
           std::move(weights), torch::optim::AdamOptions(learning_rate).betas({momentum, 0.999}));
     }},
};

}  // namespace

std::span<const OptimizerChoice> optimizers() {
  return kOptimizers;
}

std::unique_ptr<torch::optim::Optimizer> make_optimizer(const std::string& name,
                                                        std::vector<torch::Tensor> weights,
                                                        double learning_rate, double momentum) {
  std::string allowed;
  for (const OptimizerChoice& choice : kOptimizers) {
    if (choice.name == name) return choice.make(std::move(weights), learning_rate, momentum);
    allowed += (allowed.empty() ? "" : ", ") + std::string(choice.name);
  }
  throw Error(ErrorKind::kInvalidArgument, "optimizer: allowed are " + allowed + ", not '" + name + "'");
}

void set_learning_rate(torch::optim::Optimizer& optimizer, double learning_rate) {
  for (auto& group : optimizer.param_groups()) {
    if (auto* sgd = dynamic_cast<torch::optim::SGDOptions*>(&group.options())) sgd->lr(learning_rate);
    if (auto* adam = dynamic_cast<torch::optim::AdamOptions*>(&group.options())) adam->lr(learning_rate);
  }
}

}  // namespace discreet
