#include "discreet/train/tail_average.h"

#include <cmath>

namespace discreet {

TailAverage::TailAverage(double share, int64_t planned_steps)
    : first_step_(static_cast<int64_t>(std::floor(static_cast<double>(planned_steps) * (1.0 - share)))) {}

void TailAverage::add(int64_t step, const std::vector<torch::Tensor>& weights) {
  if (step < first_step_) return;
  torch::NoGradGuard no_grad;
  if (sums_.empty()) {
    for (const torch::Tensor& weight : weights) sums_.push_back(torch::zeros_like(weight, torch::kFloat64));
  }
  for (size_t i = 0; i < weights.size(); ++i) sums_[i].add_(weights[i]);
  ++count_;
}

void TailAverage::apply(const std::vector<torch::Tensor>& weights) const {
  if (count_ == 0) return;
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < weights.size(); ++i) {
    torch::Tensor weight = weights[i];
    weight.copy_(sums_[i] / static_cast<double>(count_));
  }
}

void TailAverage::restore(std::vector<torch::Tensor> sums, int64_t count) {
  sums_ = std::move(sums);
  count_ = count;
}

}  // namespace discreet
