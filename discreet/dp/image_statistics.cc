#include "discreet/dp/image_statistics.h"

#include "discreet/base/error.h"

namespace discreet {
namespace {

uint64_t label_cell(int64_t label) {
  return 1 + static_cast<uint64_t>(label);
}

int64_t squared_sensitivity(bool with_units, bool with_labels) {
  return (with_units ? kCountWeight * kCountWeight : 0) + (with_labels ? kTargetWeight * kTargetWeight : 0);
}

}  // namespace

ImageStatistics::ImageStatistics(bool fixed_labels, std::vector<std::string> classes,
                                 std::optional<double> units, const StatisticsBudget& budget)
    : fixed_labels_(fixed_labels),
      classes_(std::move(classes)),
      units_(units),
      relation_(budget.relation),
      mechanism_(budget, squared_sensitivity(counts_units(units, budget.relation), classes_.empty()),
                 classes_.empty() && !fixed_labels) {
  check_units(units);
}

CountVector ImageStatistics::count(const ImageDataset& images) const {
  CountVector vector;
  if (counts_units(units_, relation_)) vector.cells[units_cell()] = kCountWeight * images.size();
  if (!classes_.empty()) return vector;
  for (int64_t label : images.labels()) {
    if (label < 0) continue;
    if (fixed_labels_) {
      vector.cells[label_cell(label)] += kTargetWeight;
    } else {
      vector.values[images.label_names().at(static_cast<size_t>(label))] += kTargetWeight;
    }
  }
  return vector;
}

ImageFacts ImageStatistics::estimate(const ImageDataset& images, RandomStream& random) const {
  ImageFacts facts;
  facts.stddev = mechanism_.stddev();
  const CountVector exact = count(images);
  NoisyCounts counts(exact, mechanism_, random);
  read_units(units_, relation_, images.size(), counts, facts);
  facts.classes = classes_;
  facts.classes_source = Source::kDeclared;
  if (!classes_.empty()) return facts;
  facts.classes_source = Source::kPrivate;
  if (fixed_labels_) {
    for (size_t label = 0; label < images.label_names().size(); ++label) {
      const double noisy = counts.cell(label_cell(static_cast<int64_t>(label)));
      if (noisy >= kLabelClearBy * counts.stddev()) facts.classes.push_back(images.label_names()[label]);
    }
  } else {
    facts.classes = ordered_classes(counts.take_selected_values());
  }
  if (facts.classes.size() < 2) too_few_classes("labels", facts.classes.size());
  return facts;
}

Json ImageFacts::to_json() const {
  Json json = facts_json();
  json["classes"] = classes;
  json["classes_source"] = to_string(classes_source);
  return json;
}

ImageFacts ImageFacts::from_json(const Json& json) {
  ImageFacts facts;
  facts.read_facts(json);
  try {
    facts.classes = json.at("classes").get<std::vector<std::string>>();
    facts.classes_source = parse_source(json.at("classes_source").get<std::string>());
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss, "facts: the stored private statistics are damaged");
  }
  return facts;
}

}  // namespace discreet
