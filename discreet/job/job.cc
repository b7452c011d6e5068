#include "discreet/job/job.h"

#include <cmath>
#include <map>
#include <sstream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/text.h"
#include "discreet/job/settings.h"
#include "discreet/job/toml_file.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

using Values = std::map<std::string, std::string>;  // setting name -> text of its value

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

const Setting* find_setting(std::string_view name) {
  for (const Setting& setting : train_settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

[[noreturn]] void refuse_unknown(const std::string& what, const std::string& name, bool is_toml) {
  std::vector<std::string> names;
  for (const Setting& setting : train_settings()) {
    names.push_back(is_toml ? toml_key(setting.name) : "--" + std::string(setting.name));
  }
  if (is_toml) names.insert(names.end(), {"data", "schema", "card"});
  const std::string close = nearest(name, names);
  refuse("unknown " + what + " '" + name + "'" + (close.empty() ? "" : "; the nearest is '" + close + "'") +
         "; `discreet train --help` lists them all");
}

double parse_number(const Values& values, const std::string& name, double low, double high) {
  const std::string& text = values.at(name);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= low && value <= high)) {
    refuse("--" + name + ": allowed is " + std::string(find_setting(name)->allowed) + ", not '" + text + "'");
  }
  return value;
}

int64_t parse_integer(const Values& values, const std::string& name, double low, double high) {
  const double value = parse_number(values, name, low, high);
  if (value != std::floor(value))
    refuse("--" + name + ": allowed is a whole number, not '" + values.at(name) + "'");
  return static_cast<int64_t>(value);
}

// Flags and the one positional argument, as text.
Values parse_flags(const std::vector<std::string>& arguments, std::string& data) {
  Values values;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string argument = arguments[i];
    if (argument.rfind("--", 0) != 0) {
      if (argument.rfind("-", 0) == 0 && argument.size() > 1) refuse_unknown("flag", argument, false);
      if (!data.empty()) refuse("one DATA is allowed, found '" + data + "' and '" + argument + "'");
      data = argument;
      continue;
    }
    std::optional<std::string> value;
    if (const size_t equals = argument.find('='); equals != std::string::npos) {
      value = argument.substr(equals + 1);
      argument.resize(equals);
    }
    const std::string name = argument.substr(2);
    const Setting* setting = find_setting(name);
    if (!setting) refuse_unknown("flag", argument, false);
    if (values.contains(name)) refuse("--" + name + " is given twice");
    if (setting->type == SettingType::kSwitch) {
      if (value) refuse("--" + name + " takes no value");
      value = "true";
    } else if (!value) {
      if (i + 1 == arguments.size()) {
        refuse("--" + name + " needs a value: " + std::string(setting->allowed));
      }
      value = arguments[++i];
    }
    values[name] = *value;
  }
  return values;
}

void add_toml(const fs::path& path, Values& values, std::string& data, TrainJob& job) {
  const Json document = read_toml(path);
  for (const auto& [key, value] : document.items()) {
    if (key == "data") {
      if (!value.is_string()) refuse(path.string() + ": data: allowed is a path in quotes");
      fs::path named = value.get<std::string>();
      // A relative path in a job file is relative to that file.
      data = named.is_relative() && fs::exists(path.parent_path() / named)
                 ? (path.parent_path() / named).string()
                 : named.string();
      continue;
    }
    if ((key == "schema" || key == "card") && value.is_object()) {
      (key == "card" ? job.card : job.schema) = value;
      continue;
    }
    std::string name;
    for (const Setting& setting : train_settings()) {
      if (toml_key(setting.name) == key && setting.name != "resume") name = setting.name;
    }
    if (name.empty()) refuse_unknown("setting in " + path.string(), key, true);
    if (value.is_boolean() && find_setting(name)->type == SettingType::kSwitch) {
      if (value.get<bool>()) values.try_emplace(name, "true");
    } else if (value.is_boolean() && name == "header") {
      values.try_emplace(name, value.get<bool>() ? "yes" : "no");
    } else if (value.is_string() && find_setting(name)->type == SettingType::kText) {
      values.try_emplace(name, value.get<std::string>());
    } else if (value.is_number() && find_setting(name)->type != SettingType::kText) {
      values.try_emplace(name, value.dump());
    } else {
      refuse(path.string() + ": " + key + ": allowed is " + std::string(find_setting(name)->allowed));
    }
  }
}

std::string stem_of(const std::string& data) {
  fs::path path(data);
  if (path.filename().empty()) path = path.parent_path();
  std::string stem = path.filename().string();
  for (const char* ending : {".gz", ".csv", ".tsv", ".txt"}) {
    if (stem.ends_with(ending)) stem.resize(stem.size() - std::string_view(ending).size());
  }
  return stem.empty() ? "model" : stem;
}

void check_name(const std::string& name) {
  const bool fine =
      !name.empty() && name.size() <= 100 &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-") ==
          std::string::npos;
  if (!fine) refuse("--name: allowed are up to 100 letters, digits, spaces, '.', '_' and '-'");
}

}  // namespace

TrainJob parse_train_job(const std::vector<std::string>& arguments) {
  TrainJob job;
  Values values = parse_flags(arguments, job.data);
  const auto processes = [&]() -> std::optional<int64_t> {
    if (!values.contains("processes")) return std::nullopt;
    return parse_integer(values, "processes", 1, 64);
  };
  if (values.contains("resume")) {
    for (const auto& [name, value] : values) {
      if (name != "resume" && name != "json" && name != "processes") {
        refuse("--" + name +
               " cannot be changed on --resume: an interrupted run goes on with the settings that it began "
               "with");
      }
    }
    if (!job.data.empty()) refuse("--resume takes the package alone; the run remembers where its data is");
    job.resume = values.at("resume");
    job.json = values.contains("json");
    job.processes = processes();
    return job;
  }
  if (job.data.ends_with(".toml")) {
    const fs::path file = job.data;
    job.data.clear();
    add_toml(file, values, job.data, job);
    if (job.data.empty())
      refuse(file.string() + ": data: the setting is missing; allowed is a path or a data set's name");
  }
  const auto text = [&](const char* name) -> std::optional<std::string> {
    if (!values.contains(name)) return std::nullopt;
    if (values.at(name).empty())
      refuse("--" + std::string(name) + ": allowed is " + std::string(find_setting(name)->allowed) +
             ", not an empty text");
    return values.at(name);
  };
  const auto number = [&](const char* name, double low, double high) -> std::optional<double> {
    if (!values.contains(name)) return std::nullopt;
    return parse_number(values, name, low, high);
  };
  const auto integer = [&](const char* name, double low, double high) -> std::optional<int64_t> {
    if (!values.contains(name)) return std::nullopt;
    return parse_integer(values, name, low, high);
  };
  job.dry_run = values.contains("dry-run");
  job.json = values.contains("json");
  job.new_dataset = values.contains("new-dataset");
  job.target = text("target");
  job.epsilon = number("epsilon", 0.01, 100).value_or(job.epsilon);
  job.delta = number("delta", 1e-12, 0.1).value_or(job.delta);
  if (const auto relation = text("relation")) job.relation = parse_relation(*relation);
  job.unit = text("unit");
  job.max_rows_per_unit = integer("max-rows-per-unit", 1, 10000).value_or(job.max_rows_per_unit);
  job.sample_size = number("sample-size", 10, 1e12);
  job.model = text("model").value_or(job.model);
  job.batch_size = integer("batch-size", 1, 1e7);
  if (job.batch_size && job.sample_size && static_cast<double>(*job.batch_size) > *job.sample_size) {
    refuse("--batch-size: allowed is at most --sample-size");
  }
  job.epochs = number("epochs", 0.01, 10000);
  job.learning_rate = number("learning-rate", 1e-8, 1000);
  job.max_grad_norm = number("max-grad-norm", 1e-8, 1e6);
  if (const auto clipping = text("clipping")) job.clipping = parse_clipping_mode(*clipping);
  job.processes = processes();
  job.statistics_share = number("statistics-share", 0.001, 0.5);
  job.holdout = number("holdout", 0, 0.5);
  if (const auto schema = text("schema")) {
    if (!job.schema.is_null())
      refuse("--schema: the job file declares a schema already; allowed is one of the two");
    try {
      job.schema = Json::parse(read_file(*schema));
    } catch (const nlohmann::json::exception&) {
      refuse(*schema + ": is not valid JSON; docs/schema.md shows the format");
    }
  }
  // The schema may name the unit too: one place decides what every room protects.
  if (job.schema.is_object() && job.schema.contains("unit") && job.schema.at("unit").is_string() &&
      !job.schema.at("unit").get<std::string>().empty()) {
    const std::string declared = job.schema.at("unit").get<std::string>();
    if (job.unit && *job.unit != declared) {
      refuse("--unit: the schema declares another unit column, '" + declared +
             "'; allowed is one of the two");
    }
    job.unit = declared;
  }
  if (const auto header = text("header")) {
    if (*header != "yes" && *header != "no") refuse("--header: allowed is yes or no, not '" + *header + "'");
    job.header = *header == "yes";
  }
  if (const auto separator = text("separator")) {
    const std::string symbol = *separator == "TAB" || *separator == "\\t" ? "\t" : *separator;
    if (symbol.size() != 1 || std::string_view(",;\t|").find(symbol) == std::string_view::npos) {
      refuse("--separator: allowed is one of , ; TAB |");
    }
    job.separator = symbol[0];
  }
  if (values.contains("max-rows-per-unit") && !job.unit) refuse("--max-rows-per-unit needs --unit COLUMN");
  job.same_as = text("same-as");
  if (job.same_as && job.new_dataset) refuse("--same-as and --new-dataset exclude each other");
  job.ledger = text("ledger");
  if (values.contains("seed-for-tests")) {
    job.seed_for_tests = static_cast<uint64_t>(parse_integer(values, "seed-for-tests", 0, 0x1p53));
  }
  if (job.data.empty()) {
    refuse(
        "DATA is missing: a CSV file, a folder of images, an IDX file or folder, or the name fashion-mnist");
  }
  const std::string stem = stem_of(job.data);
  job.name = text("name").value_or("");
  if (job.name.empty()) {
    for (const char symbol : stem) {
      job.name +=
          std::isalnum(static_cast<unsigned char>(symbol)) || symbol == '.' || symbol == '_' ? symbol : '-';
    }
  }
  check_name(job.name);
  job.out = text("out").value_or(stem + ".discreet");
  if (job.out.filename().empty()) job.out = job.out.parent_path();
  return job;
}

std::string train_help() {
  std::ostringstream help;
  help << "Trains a deep model with a differential-privacy guarantee and leaves a package.\n\n"
          "usage: discreet train DATA [flags]\n"
          "       discreet train JOB.toml [flags]         every flag but --resume is also a key of it\n"
          "       discreet train --resume PACKAGE\n\n"
          "DATA is a CSV file, a folder of images with a sub-folder a class (PNG, JPEG), an IDX file or "
          "folder\n"
          "(plain or gzip), or the name fashion-mnist.\n\n";
  for (const Setting& setting : train_settings()) {
    std::string flag = "  --" + std::string(setting.name);
    if (!setting.value.empty()) flag += " " + std::string(setting.value);
    help << flag << "\n      " << setting.help << ".\n";
    if (!setting.allowed.empty())
      help << "      Allowed: " << setting.allowed << ".";
    else
      help << "     ";
    help << " Without it: " << setting.standard << ".\n";
  }
  return help.str();
}

Json TrainJob::to_json() const {
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(); };
  return {{"data", data},
          {"target", optional(target)},
          {"epsilon", epsilon},
          {"delta", delta},
          {"relation", to_string(relation)},
          {"unit", optional(unit)},
          {"max_rows_per_unit", max_rows_per_unit},
          {"sample_size", optional(sample_size)},
          {"model", model},
          {"batch_size", optional(batch_size)},
          {"epochs", optional(epochs)},
          {"learning_rate", optional(learning_rate)},
          {"max_grad_norm", optional(max_grad_norm)},
          {"clipping", to_string(clipping)},
          {"processes", optional(processes)},
          {"statistics_share", optional(statistics_share)},
          {"schema", schema},
          {"card", card},
          {"header", optional(header)},
          {"separator", separator ? Json(std::string(1, *separator)) : Json()},
          {"holdout", optional(holdout)},
          {"name", name},
          {"ledger", optional(ledger)},
          {"same_as", optional(same_as)},
          {"new_dataset", new_dataset},
          {"out", out.string()},
          {"seed_for_tests", optional(seed_for_tests)}};
}

TrainJob TrainJob::from_json(const Json& json) {
  TrainJob job;
  const auto read = [&](const char* key, auto& field) {
    if (json.at(key).is_null()) return;
    using Field = std::remove_reference_t<decltype(field)>;
    if constexpr (requires {
                    typename Field::value_type;
                    field.has_value();
                  }) {
      field = json.at(key).get<typename Field::value_type>();
    } else {
      field = json.at(key).get<Field>();
    }
  };
  try {
    read("data", job.data);
    read("target", job.target);
    read("epsilon", job.epsilon);
    read("delta", job.delta);
    job.relation = parse_relation(json.at("relation").get<std::string>());
    read("unit", job.unit);
    read("max_rows_per_unit", job.max_rows_per_unit);
    read("sample_size", job.sample_size);
    read("model", job.model);
    read("batch_size", job.batch_size);
    read("epochs", job.epochs);
    read("learning_rate", job.learning_rate);
    read("max_grad_norm", job.max_grad_norm);
    if (json.contains("clipping"))  // a run of before there was a choice is flat
      job.clipping = parse_clipping_mode(json.at("clipping").get<std::string>());
    if (json.contains("processes")) read("processes", job.processes);
    read("statistics_share", job.statistics_share);
    job.schema = json.at("schema");
    job.card = json.at("card");
    read("header", job.header);
    if (!json.at("separator").is_null()) job.separator = json.at("separator").get<std::string>().at(0);
    read("holdout", job.holdout);
    read("name", job.name);
    read("ledger", job.ledger);
    read("same_as", job.same_as);
    read("new_dataset", job.new_dataset);
    job.out = json.at("out").get<std::string>();
    read("seed_for_tests", job.seed_for_tests);
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss, "the unfinished run's job is damaged; start the run anew");
  }
  return job;
}

}  // namespace discreet
