#include "discreet/train/objective.h"

#include <torch/nn/functional/loss.h>

namespace discreet {
namespace {

namespace functional = torch::nn::functional;

constexpr Objective kClasses{[](const torch::Tensor& outputs, const torch::Tensor& targets) {
  return functional::cross_entropy(outputs, targets,
                                   functional::CrossEntropyFuncOptions().reduction(torch::kSum));
}};

constexpr Objective kRegression{[](const torch::Tensor& outputs, const torch::Tensor& targets) {
  return 0.5 * (outputs.squeeze(1) - targets).square().sum();
}};

}  // namespace

const Objective& objective_of(const PreparedData& data) {
  return data.classes.empty() ? kRegression : kClasses;
}

}  // namespace discreet
