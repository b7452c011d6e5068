#include "discreet/model/preset.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/model/architecture.h"
#include "discreet/model/fields.h"
#include "discreet/model/scattering.h"

namespace discreet {
namespace {

// Replaces "$input" and "$outputs" wherever they stand.
Json filled(const Json& value, const PresetFacts& facts) {
  if (value.is_string() && value.get<std::string>() == "$input") return facts.input;
  if (value.is_string() && value.get<std::string>() == "$outputs") return facts.outputs;
  if (!value.is_structured()) return value;
  Json result = value;
  for (Json& item : result) item = filled(item, facts);
  return result;
}

// A number, or a rule {"share_of_sample_size", "least", "most"}.
int64_t batch_size(const Json& rule, const PresetFacts& facts, const std::string& path) {
  Fields fields(rule, path + ".batch_size");
  const double share = fields.number("share_of_sample_size", 1e-6, 1);
  const int64_t least = fields.integer("least", 1, 1 << 20), most = fields.integer("most", least, 1 << 20);
  fields.finish();
  const double wanted =
      std::clamp(share * facts.sample_size, static_cast<double>(least), static_cast<double>(most));
  // Never more than half of the records: beyond, sampling no longer protects.
  return std::max<int64_t>(1, std::llround(std::min(wanted, 0.5 * facts.sample_size)));
}

// A rule {"times_sample_size_and_epsilon", "least", "most"}: the noise in one step's mean gradient falls as
// records times epsilon grow, so the step, or the clipping bound, may grow with them.
double by_sample_size_and_epsilon(const Json& rule, const PresetFacts& facts, const std::string& path) {
  Fields fields(rule, path);
  const double factor = fields.number("times_sample_size_and_epsilon", 1e-9, 1);
  const double least = fields.number("least", 1e-6, 1000), most = fields.number("most", least, 1000);
  fields.finish();
  return std::clamp(factor * facts.sample_size * facts.epsilon, least, most);
}

// What a document's rules give as plain numbers. A regression's gradient is the residual times the record,
// and its curvature the square of the record: its learning rate and clipping bound are written for records of
// length 1 and brought to the length of these.
Json training_of(Json training, const Json& regression, const PresetFacts& facts, const std::string& path) {
  if (facts.regression) training.update(regression);
  if (training.contains("batch_size") && training["batch_size"].is_object()) {
    training["batch_size"] = batch_size(training["batch_size"], facts, path);
  }
  for (const char* name : {"learning_rate", "max_grad_norm"}) {
    if (!training.contains(name) || !training[name].is_object()) continue;
    training[name] = by_sample_size_and_epsilon(training[name], facts, path + "." + name);
  }
  if (facts.regression && regression.contains("learning_rate")) {
    training["learning_rate"] = training["learning_rate"].get<double>() / facts.squared_length;
  }
  if (facts.regression && regression.contains("max_grad_norm")) {
    training["max_grad_norm"] = training["max_grad_norm"].get<double>() * std::sqrt(facts.squared_length);
  }
  return training;
}

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const PresetText& preset : preset_texts()) names.push_back(preset.name);
  return names;
}

void check_training(const Json& training, const std::string& path) {
  Fields fields(training, path);
  fields.word("optimizer", {"sgd", "adam"});
  fields.number("learning_rate", 1e-8, 1000);
  fields.number("momentum", 0, 0.9999);
  fields.word("schedule", {"constant", "linear", "cosine", "warm-up"});
  fields.integer("batch_size", 1, 10'000'000);
  fields.number("epochs", 0.01, 10000);
  fields.number("max_grad_norm", 1e-8, 1e6);
  fields.number("averaging", 0, 1);
  fields.finish();
}

Json make_preset(const std::string& name, const PresetFacts& facts) {
  const auto& texts = preset_texts();
  const auto found =
      std::find_if(texts.begin(), texts.end(), [&](const PresetText& p) { return p.name == name; });
  if (found == texts.end()) {
    const std::string near = nearest(name, preset_names());
    throw Error(ErrorKind::kInvalidArgument,
                "model '" + name + "' is no preset" + (near.empty() ? "" : ", did you mean '" + near + "'?") +
                    "; allowed: auto, " + listed(preset_names()) + " or an architecture file");
  }
  const std::string path = "preset " + name;
  if (!(facts.sample_size >= 1)) {
    throw Error(ErrorKind::kInvalidArgument, path + ": the number of records must be at least 1");
  }
  if (!(facts.squared_length >= 1 && std::isfinite(facts.squared_length))) {
    throw Error(ErrorKind::kInvalidArgument, path + ": the squared length of a record must be at least 1");
  }
  if (!(facts.epsilon > 0)) throw Error(ErrorKind::kInvalidArgument, path + ": epsilon must be above 0");
  const Json document = parse_json(found->text, path);
  Fields fields(document, path);
  const Json regression = document.contains("regression") ? fields.any("regression") : Json::object();
  const Json training = training_of(fields.any("training"), regression, facts, path + ": training");
  check_training(training, path + ": training");
  fields.word("for", {"images", "tables", "anything"});
  fields.any("about");
  Json result = {{"architecture", filled(fields.any("architecture"), facts)}, {"training", training}};
  fields.finish();
  try {
    Architecture::parse(result["architecture"]);
  } catch (const Error& error) {
    throw Error(error.kind(), path + " for records of shape " + to_string(facts.input) + ": " + error.what());
  }
  return result;
}

std::string auto_preset(const Shape& input) {
  if (input.size() != 3) return "table";
  return std::min(input[1], input[2]) >= kScatteringSmallest ? "scatter-linear" : "linear";
}

}  // namespace discreet
