// discreet inspect DATA: what is in it, for its owner's eyes; written nowhere.
#include "discreet/data/inspect.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/runner/arguments.h"
#include "discreet/runner/command.h"
#include "discreet/train/few_records.h"

namespace discreet {

int run_inspect(const std::vector<std::string>& arguments) {
  CLI::App app("Shows the owner what is in the data: types, gaps, columns that identify people, classes.",
               "discreet inspect");
  std::string data, target, header, separator;
  bool json = false;
  app.add_option("DATA", data, "a table, an IDX file or folder, a folder of images, or fashion-mnist")
      ->required();
  app.add_option("--target", target, "a table's column that is to be predicted: its classes are counted");
  add_table_options(app, header, separator);
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;
  const OpenedData opened = open_data(data, table_options(header, separator));
  Json seen = inspect(opened, target);
  TrainJob job;  // with the default epsilon and delta
  job.data = data;
  if (!target.empty()) job.target = target;
  if (const auto warning = too_few_records(job, opened)) seen["advice"].push_back(*warning);
  std::cout << (json ? seen.dump(2) + "\n" : inspection_text(seen));
  return 0;
}

}  // namespace discreet
