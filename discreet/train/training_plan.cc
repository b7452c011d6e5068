#include "discreet/train/training_plan.h"

#include <algorithm>
#include <filesystem>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/text.h"
#include "discreet/model/architecture.h"
#include "discreet/model/preset.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

// An architecture file may bring training settings of its own; what it leaves out are plain defaults.
Json read_model_file(const std::string& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kInvalidArgument,
                path + ": is not valid JSON; docs/model.md shows the format of an architecture");
  }
}

// A step that suits cross-entropy diverges on a squared error.
Json default_training(double sample_size, bool regression = false) {
  return {{"optimizer", "sgd"},
          {"learning_rate", regression ? 0.05 : 1.0},
          {"momentum", 0.9},
          {"schedule", "constant"},
          {"batch_size", std::max<int64_t>(1, static_cast<int64_t>(sample_size / 8))},
          {"epochs", 30},
          {"max_grad_norm", 0.1},
          {"averaging", 0.5}};
}

bool is_file(const std::string& model) {
  return model.ends_with(".json");
}

Json document_of(const TrainJob& job, const PresetFacts& facts, std::string& name) {
  if (!is_file(job.model)) {
    name = job.model == "auto" ? auto_preset(facts.input) : job.model;
    return make_preset(name, facts);
  }
  name = fs::path(job.model).filename().string();
  Json document = read_model_file(job.model);
  if (!document.contains("architecture")) document = Json{{"architecture", document}};
  const Architecture architecture = Architecture::parse(document.at("architecture"));
  if (architecture.input != facts.input || architecture.outputs != facts.outputs) {
    throw Error(ErrorKind::kInvalidArgument,
                job.model + ": input and outputs do not fit the data's (the plan's facts give them: " +
                    std::to_string(facts.outputs) + " outputs)");
  }
  Json training = default_training(facts.sample_size, facts.regression);
  if (document.contains("training")) training.update(document.at("training"));
  check_training(training, "training");
  document["training"] = training;
  return document;
}

}  // namespace

Event TrainingPlan::event() const {
  return Event::repeated(Event::poisson_sampled(*plan.sample_rate, Event::gaussian(*plan.noise_multiplier)),
                         *plan.steps);
}

double statistics_share(const TrainJob& job, DataKind kind) {
  return job.statistics_share.value_or(kind == DataKind::kTable ? 0.1 : 0.05);
}

void check_model(const TrainJob& job, DataKind kind) {
  if (is_file(job.model)) {
    if (!fs::exists(job.model))
      throw Error(ErrorKind::kNotFound, job.model + ": there is no such architecture file");
    const Json document = read_model_file(job.model);
    Architecture::parse(document.contains("architecture") ? document.at("architecture") : document);
    Json training = default_training(1000);
    if (document.contains("training")) training.update(document.at("training"));
    check_training(training, "training");
    return;
  }
  std::vector<std::string> names = preset_names();
  names.emplace_back("auto");
  if (std::find(names.begin(), names.end(), job.model) == names.end()) {
    const std::string close = nearest(job.model, names);
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    throw Error(ErrorKind::kInvalidArgument,
                "--model: allowed are " + all + " or an architecture file ending in .json, not '" +
                    job.model + "'" + (close.empty() ? "" : "; the nearest is '" + close + "'"));
  }
  const bool for_images = job.model == "cnn" || job.model.starts_with("scatter");
  if (kind == DataKind::kTable && for_images) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "--model: " + job.model + " is for images; allowed for a table are auto, table, mlp and linear");
  }
  if (kind != DataKind::kTable && job.model == "table") {
    throw Error(ErrorKind::kInvalidArgument,
                "--model: table is for tables; allowed for images are auto, scatter-linear, scatter-cnn, "
                "cnn, mlp and linear");
  }
}

Json model_settings(const TrainJob& job, const Shape& input, int64_t outputs, double sample_size,
                    double epsilon) {
  std::string name;
  if (is_file(job.model)) {
    Json training = default_training(sample_size);
    const Json document = read_model_file(job.model);
    if (document.contains("training")) training.update(document.at("training"));
    return training;
  }
  return document_of(
             job, {.input = input, .outputs = outputs, .sample_size = sample_size, .epsilon = epsilon}, name)
      .at("training");
}

TrainingPlan make_training_plan(const TrainJob& job, const PreparedData& data, double share,
                                int64_t attempts) {
  const double spent = share * static_cast<double>(attempts);
  TrainingPlan training;
  const PresetFacts facts{.input = data.input_shape,
                          .outputs = data.outputs,
                          .sample_size = data.units,
                          .epsilon = job.epsilon * (1 - spent),
                          .regression = data.classes.empty(),
                          .squared_length = data.squared_length};
  const Json document = document_of(job, facts, training.model);
  const Json& settings = document.at("training");
  training.architecture = document.at("architecture");
  training.optimizer = settings.at("optimizer");
  training.schedule = settings.at("schedule");
  training.momentum = settings.at("momentum");
  training.averaging = settings.at("averaging");
  training.learning_rate = job.learning_rate.value_or(settings.at("learning_rate").get<double>());
  training.clipping = job.clipping;
  training.max_grad_norm = job.max_grad_norm.value_or(settings.at("max_grad_norm").get<double>());
  // A batch cannot be larger than the (perhaps noisy) number of units: the largest that is allowed instead.
  const int64_t batch_size = std::min(job.batch_size.value_or(settings.at("batch_size").get<int64_t>()),
                                      std::max<int64_t>(1, static_cast<int64_t>(data.units)));
  training.plan = make_plan({.epsilon = job.epsilon,
                             .delta = job.delta,
                             .relation = job.relation,
                             .sample_size = data.units,
                             .batch_size = batch_size,
                             .epochs = job.epochs.value_or(settings.at("epochs").get<double>()),
                             .steps = {},
                             .statistics_share = spent});
  return training;
}

}  // namespace discreet
