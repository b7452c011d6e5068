// How good a regression is. Every figure depends on the records that it was measured on: they are for the
// owner.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>

#include "discreet/base/json.h"

namespace discreet {

struct RegressionMetrics {
  int64_t records = 0;         // with a target; the figures below are over these
  int64_t without_target = 0;  // target NaN
  double rmse = 0;             // root of the mean squared error, in units of the target
  double mae = 0;              // mean absolute error, in units of the target
  std::optional<double>
      r_squared;  // 1 - squared error / squared distance from the mean; empty: all targets equal

  Json to_json() const;
};

// predictions: float [N] or [N, 1]; targets: float [N], NaN where there is none. Both times `scale` are in
// units of the target. Throws kInvalidArgument for other shapes, predictions that are not finite, and where
// no record has a target.
RegressionMetrics regression_metrics(const torch::Tensor& predictions, const torch::Tensor& targets,
                                     double scale = 1);

}  // namespace discreet
