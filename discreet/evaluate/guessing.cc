#include "discreet/evaluate/guessing.h"

#include <cmath>

#include "discreet/base/error.h"

namespace discreet {

GuessingMetrics compare_with_guessing(const torch::Tensor& model, const torch::Tensor& guess) {
  if (model.dim() != 1 || model.sizes() != guess.sizes() || model.size(0) < 1) {
    throw Error(ErrorKind::kInvalidArgument, "guessing: a score for each record is needed, twice");
  }
  const torch::Tensor left = model.to(torch::kFloat64), right = guess.to(torch::kFloat64);
  const double records = static_cast<double>(left.size(0));
  const torch::Tensor difference = left - right;
  const double variance =
      (difference - difference.mean()).square().sum().item<double>() / std::max(1.0, records - 1);
  return {left.mean().item<double>(), right.mean().item<double>(), 2 * std::sqrt(variance / records)};
}

int64_t most_frequent_class(const torch::Tensor& targets) {
  const torch::Tensor known = targets.masked_select(targets.ge(0));
  if (known.numel() == 0) return 0;
  return torch::bincount(known).argmax().item<int64_t>();
}

}  // namespace discreet
