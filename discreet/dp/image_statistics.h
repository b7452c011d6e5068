// The private facts of a set of images: their number and the classes among the labels, from one noisy vector
// (dp/noisy_counts.h). Each image is a unit; it adds kCountWeight to the number of units and kTargetWeight to
// the cell of its label, so S = kCountWeight^2 + kTargetWeight^2, each where open.
//
// IDX labels have a fixed domain (0 to 255): every label has a cell, and the classes are those from
// kLabelClearBy standard deviations on, at no threshold delta. Names of folders are values that occur, found
// by partition selection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/data/image_dataset.h"
#include "discreet/dp/facts.h"
#include "discreet/dp/noisy_counts.h"

namespace discreet {

// One of 256 labels that no image has is taken for a class in one of 200,000 runs (in one of 120 at 4).
inline constexpr double kLabelClearBy = 5.5;

struct ImageFacts : Facts {
  std::vector<std::string> classes;  // label names, at least two
  Source classes_source = Source::kPrivate;

  Json to_json() const;
  static ImageFacts from_json(const Json& json);
};

class ImageStatistics {
 public:
  // fixed_labels: the labels have a fixed domain (IDX). classes and units: as declared; empty: open.
  // kInvalidArgument where these or the budget are out of range.
  ImageStatistics(bool fixed_labels, std::vector<std::string> classes, std::optional<double> units,
                  const StatisticsBudget& budget);

  const CountMechanism& mechanism() const { return mechanism_; }  // as TableStatistics::mechanism

  // One release of mechanism().event(). kInvalidArgument (charged all the same) where fewer than two classes
  // are frequent enough.
  ImageFacts estimate(const ImageDataset& images, RandomStream& random) const;

  // The vector before noise. Private: for estimate() and its tests.
  CountVector count(const ImageDataset& images) const;

 private:
  bool fixed_labels_;
  std::vector<std::string> classes_;
  std::optional<double> units_;
  Relation relation_;
  CountMechanism mechanism_;
};

}  // namespace discreet
