#include "discreet/evaluate/regression.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// scikit-learn's documentation of mean_squared_error, mean_absolute_error and r2_score.
TEST(Regression, PublishedValues) {
  const RegressionMetrics metrics =
      regression_metrics(torch::tensor({2.5, 0.0, 2.0, 8.0}), torch::tensor({3.0, -0.5, 2.0, 7.0}));
  EXPECT_NEAR(metrics.rmse * metrics.rmse, 0.375, 1e-12);
  EXPECT_NEAR(metrics.mae, 0.5, 1e-12);
  EXPECT_NEAR(metrics.r_squared.value(), 0.9486081370449679, 1e-12);
  EXPECT_EQ(metrics.records, 4);
}

TEST(Regression, ScaleGivesTheTargetsUnitsAndMissingTargetsAreCountedApart) {
  torch::manual_seed(5);
  const torch::Tensor targets = torch::randn({40}), predictions = torch::randn({40, 1});
  targets[3] = std::nan("");
  const RegressionMetrics metrics = regression_metrics(predictions, targets, 50);
  double squares = 0, absolute = 0, sum = 0, around = 0;
  for (int i = 0; i < 40; ++i) {
    if (i == 3) continue;
    const double error = 50.0 * predictions[i][0].item<double>() - 50.0 * targets[i].item<double>();
    squares += error * error;
    absolute += std::abs(error);
    sum += 50.0 * targets[i].item<double>();
  }
  for (int i = 0; i < 40; ++i) {
    if (i != 3) around += std::pow(50.0 * targets[i].item<double>() - sum / 39, 2);
  }
  EXPECT_EQ(metrics.records, 39);
  EXPECT_EQ(metrics.without_target, 1);
  EXPECT_NEAR(metrics.rmse, std::sqrt(squares / 39), 1e-9);
  EXPECT_NEAR(metrics.mae, absolute / 39, 1e-9);
  EXPECT_NEAR(metrics.r_squared.value(), 1 - squares / around, 1e-9);
}

TEST(Regression, EqualTargetsHaveNoRSquared) {
  const RegressionMetrics metrics = regression_metrics(torch::tensor({1.0, 2.0}), torch::tensor({1.5, 1.5}));
  EXPECT_FALSE(metrics.r_squared.has_value());
  EXPECT_EQ(metrics.to_json().at("r_squared"), Json());
}

TEST(Regression, RefusesWhatItCannotMeasure) {
  EXPECT_THROW(regression_metrics(torch::zeros({3}), torch::zeros({2})), Error);
  EXPECT_THROW(regression_metrics(torch::zeros({2, 2}), torch::zeros({4})), Error);
  EXPECT_THROW(regression_metrics(torch::full({2}, INFINITY), torch::zeros({2})), Error);
  EXPECT_THROW(regression_metrics(torch::zeros({2}), torch::full({2}, NAN)), Error);
  EXPECT_THROW(regression_metrics(torch::zeros({2}), torch::zeros({2}), 0), Error);
}

}  // namespace
}  // namespace discreet
