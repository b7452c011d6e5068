// discreet predict PACKAGE DATA [--out FILE]: a label for each record, then a probability a class.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/json.h"
#include "discreet/runner/arguments.h"
#include "discreet/runner/command.h"
#include "discreet/train/predictor.h"

namespace discreet {
namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char symbol : text) quoted += symbol == '"' ? std::string("\"\"") : std::string(1, symbol);
  return quoted + "\"";
}

std::string to_csv(const Predictions& predictions) {
  std::ostringstream csv;
  csv << "label";
  for (const std::string& name : predictions.classes) csv << "," << csv_field(name);
  if (!predictions.files.empty()) csv << ",file";
  csv << "\n";
  const auto values = predictions.values.accessor<float, 2>();
  for (int64_t row = 0; row < values.size(0); ++row) {
    if (predictions.classes.empty()) {
      csv << values[row][0];
    } else {
      csv << csv_field(predictions.classes[predictions.best(row)]);
      for (int64_t k = 0; k < values.size(1); ++k) csv << "," << values[row][k];
    }
    if (!predictions.files.empty()) csv << "," << csv_field(predictions.files[static_cast<size_t>(row)]);
    csv << "\n";
  }
  return csv.str();
}

// Before the work: a place where the predictions can be written, and may be.
void check_out(const std::filesystem::path& out) {
  namespace fs = std::filesystem;
  if (fs::exists(out)) {
    throw Error(ErrorKind::kAlreadyExists, out.string() + " exists already; choose another name");
  }
  require_folder_of(out);
  for (fs::path folder = fs::absolute(out).lexically_normal().parent_path(); folder != folder.parent_path();
       folder = folder.parent_path()) {
    if (!fs::exists(folder / "manifest.json")) continue;
    throw Error(ErrorKind::kInvalidArgument,
                "--out: " + out.string() + " is inside the package " + folder.string() +
                    ", which another file would make invalid; choose another place");
  }
}

}  // namespace

int run_predict(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Predicts with a package: CSV with the label first, then a probability for each class; for a folder of "
      "images last the file of each.",
      "discreet predict");
  std::string package, data, out, header, separator;
  bool json = false;
  app.add_option("PACKAGE", package, "a folder that `discreet train` made")->required();
  app.add_option("DATA", data,
                 "a table (its target column may be missing), an IDX file or folder, a folder of images")
      ->required();
  app.add_option("--out", out, "file to write (default: standard output)");
  add_table_options(app, header, separator);
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;
  if (!out.empty()) check_out(out);
  Predictor predictor(package);
  const Predictions predictions = predictor.predict(data, table_options(header, separator));
  const std::string csv = to_csv(predictions);
  if (!out.empty()) write_file(out, csv);
  if (json) {
    Json result = {{"records", predictions.values.size(0)}, {"classes", predictions.classes}};
    if (!out.empty())
      result["out"] = out;
    else
      result["csv"] = csv;
    std::cout << result.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else if (out.empty()) {
    std::cout << csv;
  } else {
    std::cerr << "wrote " << predictions.values.size(0) << " predictions to " << out << "\n";
  }
  return 0;
}

}  // namespace discreet
