#include "discreet/train/publish.h"

#include <algorithm>

#include "discreet/base/file.h"
#include "discreet/base/random.h"
#include "discreet/base/sampling.h"
#include "discreet/base/text.h"
#include "discreet/data/table_dataset.h"
#include "discreet/evaluate/classification.h"
#include "discreet/evaluate/guessing.h"
#include "discreet/evaluate/outputs.h"
#include "discreet/evaluate/regression.h"
#include "discreet/model/model_file.h"
#include "discreet/model/safetensors.h"
#include "discreet/package/keys.h"
#include "discreet/package/package.h"
#include "discreet/report/card.h"
#include "discreet/report/report.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kExamples = 12;

void add_classification(const PreparedData& data, const torch::Tensor& scores, const torch::Tensor& targets,
                        OwnerFacts& page) {
  const ClassificationMetrics metrics = classification_metrics(scores, targets, data.test_other_classes);
  std::string right = "share of test records with the right class";
  if (const int64_t others = data.test_other_classes; others > 0) {
    const double known = metrics.accuracy * static_cast<double>(metrics.records + others) /
                         static_cast<double>(metrics.records);
    right += "; " + std::to_string(others) + " of classes that the model does not know count as wrong";
    page.warnings.push_back(std::to_string(others) +
                            " test records are of classes that were neither declared nor released: the model "
                            "cannot name them, and accuracy counts them as wrong. Over the other " +
                            std::to_string(metrics.records) + " it is " + format_number(100 * known) +
                            " %; the other figures are over those alone");
  }
  page.figures = {{"Accuracy", metrics.accuracy, true, right},
                  {"Log loss", metrics.log_loss, false, "natural logarithm; smaller is better"},
                  {"Calibration error", metrics.calibration_error, true,
                   "mean gap between confidence and accuracy, 15 bins"}};
  if (metrics.auroc)
    page.figures.push_back({"AUROC", *metrics.auroc, false, "0.5 is guessing, 1 is perfect"});
  const torch::Tensor trained = data.train->targets();
  for (size_t k = 0; k < data.classes.size(); ++k) {
    const auto index = static_cast<int64_t>(k);
    page.classes.push_back({.name = data.classes[k],
                            .training_records = trained.eq(index).sum().item<int64_t>(),
                            .test_records = targets.eq(index).sum().item<int64_t>(),
                            .precision = metrics.precision[k],
                            .recall = metrics.recall[k]});
    const torch::Tensor row = metrics.confusion[index].contiguous();
    page.confusion.emplace_back(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel());
  }
}

// Against the targets as they are, not clamped to the range that the model learnt.
void add_regression(const torch::Tensor& predictions, const torch::Tensor& values, OwnerFacts& page) {
  const RegressionMetrics metrics = regression_metrics(predictions, values);
  page.figures = {{"Mean absolute error", metrics.mae, false, "in the target's own unit"},
                  {"Root mean squared error", metrics.rmse, false, "in the target's own unit"}};
  if (metrics.r_squared) {
    page.figures.push_back(
        {"R squared", *metrics.r_squared, false, "1 is perfect, 0 is guessing the mean, below 0 is worse"});
  } else {
    page.warnings.emplace_back("the test records' targets are all equal, so there is no R squared");
  }
}

// In the target's own scale and range.
torch::Tensor target_values(const PreparedData& data, const torch::Tensor& outputs) {
  const auto& encoder = static_cast<const TableDataset&>(*data.test).encoder();
  torch::Tensor values = outputs.flatten().to(torch::kFloat64).contiguous();
  double* value = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) value[i] = encoder.target_value(value[i]);
  return values;
}

// What a person would answer who knows the training records' targets and nothing of the record at hand.
void add_guessing(const PreparedData& data, const torch::Tensor& scores, const torch::Tensor& targets,
                  const torch::Tensor& values, OwnerFacts& page) {
  const torch::Tensor trained = data.train->targets().index_select(0, data.train->rows_with_target());
  if (trained.numel() == 0) return;
  if (data.classes.empty()) {
    const auto metrics = compare_with_guessing((target_values(data, scores) - values).abs(),
                                               (target_values(data, trained).mean() - values).abs());
    page.guessing = {"mean absolute error", "always the mean of the training records",
                     metrics.model,         metrics.guess,
                     metrics.margin,        false};
    return;
  }
  // Records of classes that the model does not know are wrong either way.
  const auto with_others = [&](const torch::Tensor& right) {
    return torch::cat({right.to(torch::kFloat64), torch::zeros({data.test_other_classes}, torch::kFloat64)});
  };
  const auto metrics = compare_with_guessing(with_others(scores.argmax(1).eq(targets)),
                                             with_others(targets.eq(most_frequent_class(trained))));
  page.guessing = {"accuracy", "always the most frequent class", metrics.model, metrics.guess, metrics.margin,
                   true};
}

void add_predictions(const PreparedData& data, const torch::Tensor& scores, OwnerFacts& page) {
  const torch::Tensor probabilities = data.classes.empty() ? scores : torch::softmax(scores, 1);
  const auto fill = [&](auto& example, size_t i) {
    const torch::Tensor row = probabilities[static_cast<int64_t>(i)];
    if (data.classes.empty()) {
      const auto& encoder = static_cast<const TableDataset&>(*data.test).encoder();
      example.prediction = format_number(encoder.target_value(row[0].item<double>()));
      return;
    }
    const auto best = row.argmax().item<int64_t>();
    example.prediction = data.classes[static_cast<size_t>(best)];
    example.confidence = row[best].item<double>();
  };
  for (size_t i = 0; i < page.images.size(); ++i) fill(page.images[i], i);
  for (size_t i = 0; i < page.rows.size(); ++i) fill(page.rows[i], i);
}

Json card_of(const TrainJob& job, const PreparedData& data, const TrainingPlan& training,
             const Certificate& certificate) {
  CardFacts facts;
  facts.name = job.name;
  facts.task = data.classes.empty() ? "regression" : "classification";
  facts.model.push_back({"architecture", training.model, job.model == "auto" ? "independent" : "declared"});
  for (const Fact& fact : data.facts) facts.data_set.push_back({fact.fact, fact.detail, fact.how});
  if (!data.classes.empty()) {
    const auto how = std::find_if(data.facts.begin(), data.facts.end(),
                                  [](const Fact& fact) { return fact.fact == "classes"; });
    facts.model.push_back({"names of classes", data.classes, how->how});
  }
  return make_card(facts, job.card, certificate);
}

}  // namespace

OwnerFacts owner_facts(const TrainJob& job, const PrivateData& source, const PreparedData& data,
                       const LoopResult& trained, const Guarantee& guarantee) {
  OwnerFacts page;
  page.name = job.name;
  page.epsilon = guarantee.epsilon;
  page.delta = guarantee.delta;
  page.relation = to_string(guarantee.relation);
  page.is_private = guarantee.is_private;
  page.training_records = data.train->rows_with_target().size(0);
  page.training_seconds = trained.seconds;
  page.warnings = source.warnings();
  page.warnings.insert(page.warnings.end(), data.warnings.begin(), data.warnings.end());
  if (trained.not_finite > 0)
    page.warnings.push_back(std::to_string(trained.not_finite) +
                            " gradients were not finite and counted as zero");
  for (size_t i = 0; i < trained.counters.loss_curve.size(); ++i) {
    page.training_loss.push_back({static_cast<double>(i + 1), trained.counters.loss_curve[i]});
  }
  const torch::Tensor rows = data.test ? data.test->rows_with_target() : torch::empty({0}, torch::kInt64);
  page.test_records = rows.size(0);
  if (page.test_records == 0) {
    page.warnings.push_back("no records were held out, so accuracy was not measured");
    return page;
  }
  page.test_origin = data.test_origin;
  if (const int64_t missing = data.test->size() - page.test_records - data.test_other_classes; missing > 0)
    page.warnings.push_back(std::to_string(missing) +
                            " test records have no target; they are not in the figures");
  page.test_records += data.test_other_classes;
  const auto forward = [&](const torch::Tensor& features) {
    return trained.network->forward(trained.network->fixed_features(features));
  };
  const torch::Tensor scores = outputs(*data.test, rows, forward, 512);
  const torch::Tensor targets = data.test->targets().index_select(0, rows);
  if (!scores.isfinite().all().item<bool>()) {
    page.warnings.push_back(
        "the model's outputs are not finite: training diverged; try a smaller --learning-rate");
    return page;
  }
  const torch::Tensor values =
      data.classes.empty() ? data.test_values.index_select(0, rows) : torch::Tensor();
  if (data.classes.empty()) {
    add_regression(target_values(data, scores), values, page);
  } else {
    add_classification(data, scores, targets, page);
  }
  add_guessing(data, scores, targets, values, page);
  RandomStream random =
      job.seed_for_tests ? RandomStream::for_tests(*job.seed_for_tests) : RandomStream::from_kernel();
  const std::vector<int64_t> chosen = choose(random, rows.size(0), std::min(kExamples, rows.size(0)));
  std::vector<int64_t> examples;
  for (const int64_t place : chosen) examples.push_back(rows[place].item<int64_t>());
  source.add_examples(data, examples, page);
  add_predictions(data, scores.index_select(0, torch::tensor(chosen, torch::kInt64)), page);
  return page;
}

void publish(const TrainJob& job, const PreparedData& data, const TrainingPlan& training, Network& network,
             const Certificate& certificate, const OwnerFacts& owner) {
  NamedTensors weights;
  for (const auto& item : network.named_parameters()) weights.emplace_back(item.key(), item.value().detach());
  const std::string model = ModelFile{training.architecture, data.preprocessing, data.classes}.write();
  const Json card = card_of(job, data, training, certificate);
  const std::map<std::string, std::string> files = {
      {"model.json", model},
      {"weights.safetensors", save_safetensors(weights)},
      {"privacy.json", certificate_text(certificate)},
      {"card.json", card.dump(2) + "\n"},
      {"report.html", report_html(certificate, card, Json::parse(model))}};
  write_file(owner_page_of(job.out), owner_html(owner), 0600);
  write_package(job.out, files, own_signing_key());
}

}  // namespace discreet
