// How good a classifier is. Every figure depends on the records that it was measured on: they are for the
// owner.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

struct ClassificationMetrics {
  int64_t records = 0;  // of a class that has a score; the figures below are over these, but for accuracy
  int64_t without_class = 0;     // target -1: the class is missing, or was neither declared nor released
  int64_t of_other_classes = 0;  // of these, records of classes that have no score
  // Share whose largest score is the true class, ties going to the lower class; over `records` and
  // `of_other_classes`, which are all wrong.
  double accuracy = 0;
  double log_loss = 0;  // mean of -log softmax(scores)[truth], natural logarithm
  // Expected calibration error (Guo and others 2017, equation 3): the mean distance between confidence and
  // accuracy over 15 equal bins of confidence, weighted by their records. In [0, 1].
  double calibration_error = 0;
  // Probability that a record of class 1 scores above one of class 0, ties counted half (Hanley and McNeil
  // 1982); for two classes that both occur.
  std::optional<double> auroc;
  torch::Tensor confusion;  // int64 [K, K], [truth][prediction]
  // For each class; empty where none was predicted, or none is in the records.
  std::vector<std::optional<double>> precision, recall;

  Json to_json() const;
};

// scores: float [N, K], K >= 2, before the softmax; targets: int64 [N] in [-1, K). of_other_classes: how many
// of the records, in scores with target -1 or left out of them, are of a class that has no score. Throws
// kInvalidArgument for other shapes or values, for scores that are not finite, and where no record has a
// class.
ClassificationMetrics classification_metrics(const torch::Tensor& scores, const torch::Tensor& targets,
                                             int64_t of_other_classes = 0);

}  // namespace discreet
