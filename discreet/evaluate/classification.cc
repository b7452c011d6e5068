#include "discreet/evaluate/classification.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr int64_t kCalibrationBins = 15;

void require(bool good, const char* message) {
  if (!good) throw Error(ErrorKind::kInvalidArgument, message);
}

double calibration_error(const torch::Tensor& confidence, const torch::Tensor& correct) {
  // Bins are open below and closed above, as in the paper; 0 belongs to the first.
  const torch::Tensor bin =
      confidence.mul(kCalibrationBins).ceil().sub(1).clamp(0, kCalibrationBins - 1).to(torch::kLong);
  const torch::Tensor surplus =
      torch::zeros({kCalibrationBins}, torch::kDouble).index_add_(0, bin, correct - confidence);
  return surplus.abs().sum().item<double>() / static_cast<double>(confidence.size(0));
}

// From the ranks of the scores, ties sharing their mean rank.
std::optional<double> area_under_roc(const torch::Tensor& score, const torch::Tensor& targets) {
  const int64_t records = score.size(0);
  const torch::Tensor order = score.argsort();
  const torch::Tensor sorted = score.index_select(0, order).contiguous();
  const torch::Tensor truth = targets.index_select(0, order).contiguous();
  const double* scores = sorted.data_ptr<double>();
  const int64_t* classes = truth.data_ptr<int64_t>();
  double rank_sum = 0, positives = 0;
  for (int64_t begin = 0, end; begin < records; begin = end) {
    double tied_positives = 0;
    for (end = begin; end < records && scores[end] == scores[begin]; ++end)
      tied_positives += classes[end] == 1;
    rank_sum += tied_positives * (static_cast<double>(begin + end + 1) / 2);  // ranks begin+1 .. end
    positives += tied_positives;
  }
  const double negatives = static_cast<double>(records) - positives;
  if (positives == 0 || negatives == 0) return std::nullopt;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

Json list_of(const std::vector<std::optional<double>>& values) {
  Json all = Json::array();
  for (const auto& value : values) all.push_back(value ? Json(*value) : Json());
  return all;
}

}  // namespace

ClassificationMetrics classification_metrics(const torch::Tensor& all_scores,
                                             const torch::Tensor& all_targets, int64_t of_other_classes) {
  require(all_scores.dim() == 2 && all_scores.size(1) >= 2,
          "scores must have the shape [records, at least 2 classes]");
  require(all_targets.dim() == 1 && all_targets.size(0) == all_scores.size(0) &&
              all_targets.scalar_type() == torch::kLong,
          "targets must be one class index for each record");
  const int64_t classes = all_scores.size(1);
  const torch::Tensor known = all_targets.ne(-1).nonzero().flatten();
  require(known.size(0) > 0, "no record has a class to compare with");
  const torch::Tensor scores = all_scores.detach().index_select(0, known).to(torch::kDouble);
  const torch::Tensor targets = all_targets.index_select(0, known);
  require(targets.ge(0).all().item<bool>() && targets.lt(classes).all().item<bool>(),
          "targets must be classes from 0 to the number of scores less one, or -1");
  require(of_other_classes >= 0, "a number of records must not be negative");
  require(torch::isfinite(scores).all().item<bool>(), "the model's scores are not all finite numbers");

  ClassificationMetrics metrics;
  metrics.records = known.size(0);
  metrics.without_class = all_targets.size(0) - metrics.records;
  const torch::Tensor log_probability = scores.log_softmax(1);
  const torch::Tensor prediction = scores.argmax(1);
  const torch::Tensor correct = prediction.eq(targets).to(torch::kDouble);
  metrics.of_other_classes = of_other_classes;
  metrics.accuracy =
      correct.sum().item<double>() / static_cast<double>(metrics.records + metrics.of_other_classes);
  metrics.log_loss = -log_probability.gather(1, targets.unsqueeze(1)).mean().item<double>();
  metrics.calibration_error =
      calibration_error(log_probability.gather(1, prediction.unsqueeze(1)).squeeze(1).exp(), correct);
  if (classes == 2) metrics.auroc = area_under_roc(scores.select(1, 1) - scores.select(1, 0), targets);
  metrics.confusion =
      torch::bincount(targets * classes + prediction, {}, classes * classes).view({classes, classes});
  const torch::Tensor truths = metrics.confusion.sum(1), predictions = metrics.confusion.sum(0);
  for (int64_t one = 0; one < classes; ++one) {
    const double hits = metrics.confusion[one][one].item<double>();
    const double predicted = predictions[one].item<double>(), present = truths[one].item<double>();
    metrics.precision.push_back(predicted > 0 ? std::optional(hits / predicted) : std::nullopt);
    metrics.recall.push_back(present > 0 ? std::optional(hits / present) : std::nullopt);
  }
  return metrics;
}

Json ClassificationMetrics::to_json() const {
  Json table = Json::array();
  for (int64_t truth = 0; truth < confusion.size(0); ++truth) {
    Json line = Json::array();
    for (int64_t guess = 0; guess < confusion.size(1); ++guess)
      line.push_back(confusion[truth][guess].item<int64_t>());
    table.push_back(std::move(line));
  }
  return Json{{"records", records},
              {"without_class", without_class},
              {"of_other_classes", of_other_classes},
              {"accuracy", accuracy},
              {"log_loss", log_loss},
              {"calibration_error", calibration_error},
              {"auroc", auroc ? Json(*auroc) : Json()},
              {"confusion", table},
              {"precision", list_of(precision)},
              {"recall", list_of(recall)}};
}

}  // namespace discreet
