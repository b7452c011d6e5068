#include "discreet/evaluate/regression.h"

#include <cmath>

#include "discreet/base/error.h"

namespace discreet {
namespace {

void require(bool good, const char* message) {
  if (!good) throw Error(ErrorKind::kInvalidArgument, message);
}

}  // namespace

RegressionMetrics regression_metrics(const torch::Tensor& predictions, const torch::Tensor& targets,
                                     double scale) {
  require(predictions.numel() == targets.numel() && targets.dim() == 1 && predictions.dim() <= 2 &&
              predictions.size(0) == targets.size(0),
          "predictions must have the shape [records] or [records, 1], one for each target");
  require(scale > 0 && std::isfinite(scale), "scale must be a positive number");
  const torch::Tensor known = targets.isnan().logical_not().nonzero().flatten();
  require(known.size(0) > 0, "no record has a target to compare with");
  const torch::Tensor truth = targets.index_select(0, known).to(torch::kDouble) * scale;
  const torch::Tensor guess =
      predictions.detach().flatten().index_select(0, known).to(torch::kDouble) * scale;
  require(torch::isfinite(guess).all().item<bool>(), "the model's predictions are not all finite numbers");

  RegressionMetrics metrics;
  metrics.records = known.size(0);
  metrics.without_target = targets.size(0) - metrics.records;
  const torch::Tensor error = guess - truth;
  metrics.rmse = std::sqrt(error.square().mean().item<double>());
  metrics.mae = error.abs().mean().item<double>();
  const double spread = (truth - truth.mean()).square().sum().item<double>();
  if (spread > 0) metrics.r_squared = 1 - error.square().sum().item<double>() / spread;
  return metrics;
}

Json RegressionMetrics::to_json() const {
  return Json{{"records", records},
              {"without_target", without_target},
              {"rmse", rmse},
              {"mae", mae},
              {"r_squared", r_squared ? Json(*r_squared) : Json()}};
}

}  // namespace discreet
