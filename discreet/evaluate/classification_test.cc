#include "discreet/evaluate/classification.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Everything again with loops, from the definitions.
struct Slow {
  double accuracy = 0, log_loss = 0, calibration_error = 0, auroc = 0;
  std::vector<std::vector<int64_t>> confusion;
};

Slow slow(const torch::Tensor& scores, const torch::Tensor& targets) {
  const int64_t n = scores.size(0), k = scores.size(1);
  Slow out;
  out.confusion.assign(k, std::vector<int64_t>(k, 0));
  std::vector<double> bin_correct(15), bin_confidence(15);
  for (int64_t i = 0; i < n; ++i) {
    double total = 0;
    int64_t best = 0;
    for (int64_t j = 0; j < k; ++j) {
      total += std::exp(scores[i][j].item<double>());
      if (scores[i][j].item<double>() > scores[i][best].item<double>()) best = j;
    }
    const int64_t truth = targets[i].item<int64_t>();
    const double confidence = std::exp(scores[i][best].item<double>()) / total;
    out.accuracy += double(best == truth) / n;
    out.log_loss -= std::log(std::exp(scores[i][truth].item<double>()) / total) / n;
    ++out.confusion[truth][best];
    for (int b = 0; b < 15; ++b) {
      if (confidence > b / 15.0 && confidence <= (b + 1) / 15.0) {
        bin_correct[b] += best == truth;
        bin_confidence[b] += confidence;
      }
    }
  }
  for (int b = 0; b < 15; ++b) out.calibration_error += std::abs(bin_correct[b] - bin_confidence[b]) / n;
  double wins = 0, pairs = 0;
  for (int64_t i = 0; i < n && k == 2; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (targets[i].item<int64_t>() != 1 || targets[j].item<int64_t>() != 0) continue;
      const double a = scores[i][1].item<double>() - scores[i][0].item<double>();
      const double b = scores[j][1].item<double>() - scores[j][0].item<double>();
      wins += a > b ? 1 : a == b ? 0.5 : 0;
      ++pairs;
    }
  }
  if (pairs > 0) out.auroc = wins / pairs;
  return out;
}

TEST(Classification, AgreesWithLoopsOverTheDefinitions) {
  torch::manual_seed(3);
  for (const int64_t classes : {2, 3, 7}) {
    // Rounded scores, so that there are ties.
    const torch::Tensor scores = torch::randn({211, classes}, torch::kDouble).mul(4).round().div(2);
    const torch::Tensor targets = torch::randint(classes, {211}, torch::kLong);
    const ClassificationMetrics fast = classification_metrics(scores, targets);
    const Slow expected = slow(scores, targets);
    EXPECT_NEAR(fast.accuracy, expected.accuracy, 1e-12);
    EXPECT_NEAR(fast.log_loss, expected.log_loss, 1e-12);
    EXPECT_NEAR(fast.calibration_error, expected.calibration_error, 1e-12);
    ASSERT_EQ(fast.auroc.has_value(), classes == 2);
    if (classes == 2) {
      EXPECT_NEAR(*fast.auroc, expected.auroc, 1e-12);
    }
    const Json json = fast.to_json();
    for (int64_t i = 0; i < classes; ++i) {
      int64_t truths = 0, guesses = 0;
      for (int64_t j = 0; j < classes; ++j) {
        EXPECT_EQ(json.at("confusion").at(i).at(j), expected.confusion[i][j]);
        truths += expected.confusion[i][j];
        guesses += expected.confusion[j][i];
      }
      EXPECT_NEAR(fast.recall[i].value(), double(expected.confusion[i][i]) / truths, 1e-12);
      EXPECT_NEAR(fast.precision[i].value(), double(expected.confusion[i][i]) / guesses, 1e-12);
    }
  }
}

// scikit-learn's documentation of roc_auc_score and log_loss.
TEST(Classification, PublishedValues) {
  const torch::Tensor score = torch::tensor({0.1, 0.4, 0.35, 0.8}, torch::kDouble);
  const torch::Tensor two = torch::stack({torch::zeros_like(score), score}, 1);
  EXPECT_DOUBLE_EQ(classification_metrics(two, torch::tensor({0, 0, 1, 1})).auroc.value(), 0.75);
  const torch::Tensor probability =
      torch::tensor({.1, .9, .9, .1, .8, .2, .35, .65}, torch::kDouble).view({4, 2});
  EXPECT_NEAR(classification_metrics(probability.log(), torch::tensor({1, 0, 0, 1})).log_loss, 0.21616, 5e-6);
}

TEST(Classification, RecordsWithoutAClassAreCountedApart) {
  const torch::Tensor scores = torch::tensor({5.0, 0.0, 0.0, 5.0, 5.0, 0.0}).view({3, 2});
  const ClassificationMetrics metrics = classification_metrics(scores, torch::tensor({0, -1, 0}));
  EXPECT_EQ(metrics.records, 2);
  EXPECT_EQ(metrics.without_class, 1);
  EXPECT_EQ(metrics.accuracy, 1);
  EXPECT_FALSE(metrics.auroc.has_value());         // class 1 does not occur
  EXPECT_FALSE(metrics.recall[1].has_value());     // none is in the records
  EXPECT_FALSE(metrics.precision[1].has_value());  // none was predicted
  EXPECT_EQ(metrics.to_json().at("recall").at(1), Json());
}

TEST(Classification, RecordsOfClassesWithoutAScoreAreWrong) {
  const torch::Tensor scores = torch::tensor({5.0, 0.0, 0.0, 5.0, 5.0, 0.0}).view({3, 2});
  const ClassificationMetrics metrics = classification_metrics(scores, torch::tensor({0, 1, 1}), 5);
  EXPECT_DOUBLE_EQ(metrics.accuracy, 2.0 / 8);
  EXPECT_EQ(metrics.records, 3);
  EXPECT_EQ(metrics.to_json().at("of_other_classes"), 5);
  EXPECT_THROW(classification_metrics(scores, torch::tensor({0, 1, 1}), -1), Error);
}

TEST(Classification, HugeScoresDoNotOverflow) {
  const ClassificationMetrics metrics =
      classification_metrics(torch::tensor({1e4, -1e4, -1e4, 1e4}).view({2, 2}), torch::tensor({0, 0}));
  EXPECT_NEAR(metrics.log_loss, 1e4, 1e-6);
  EXPECT_NEAR(metrics.calibration_error, 0.5, 1e-12);
}

TEST(Classification, RefusesWhatItCannotMeasure) {
  const torch::Tensor scores = torch::zeros({3, 2});
  EXPECT_THROW(classification_metrics(scores, torch::tensor({0, 1})), Error);
  EXPECT_THROW(classification_metrics(scores, torch::tensor({0, 1, 2})), Error);
  EXPECT_THROW(classification_metrics(scores, torch::tensor({-1, -1, -1})), Error);
  EXPECT_THROW(classification_metrics(scores, torch::tensor({-2, 0, 0})), Error);
  EXPECT_THROW(classification_metrics(torch::zeros({3, 1}), torch::tensor({0, 0, 0})), Error);
  EXPECT_THROW(classification_metrics(scores, torch::zeros({3})), Error);
  EXPECT_THROW(classification_metrics(scores + std::nan(""), torch::tensor({0, 1, 0})), Error);
}

}  // namespace
}  // namespace discreet
