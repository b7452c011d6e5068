// A job: what the owner asked for, before any data is read. Flags override a JOB.toml; a setting that
// is in neither stays empty and is decided later by a preset, a fixed rule or a private statistic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "discreet/accounting/clipping_mode.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"

namespace discreet {

struct TrainJob {
  std::string data;  // a path, or the name of a packaged data set
  std::optional<std::string> target;
  double epsilon = 3;
  double delta = 1e-5;
  Relation relation = Relation::kAddOrRemoveOne;
  std::optional<std::string> unit;
  int64_t max_rows_per_unit = 10;
  std::optional<double> sample_size;
  std::string model = "auto";
  std::optional<int64_t> batch_size;
  std::optional<double> epochs;
  std::optional<double> learning_rate;
  std::optional<double> max_grad_norm;
  ClippingMode clipping = ClippingMode::kFlat;
  std::optional<int64_t> processes;  // on this machine; empty: 1, or on --resume what the run began with
  std::optional<double> statistics_share;
  Json schema;  // declared facts (docs/schema.md); null where nothing is declared
  Json card;    // the owner's answers for card.json (docs/card.md); null where none were given
  std::optional<bool> header;
  std::optional<char> separator;
  std::optional<double> holdout;
  std::string name;
  std::optional<std::string> ledger;
  std::optional<std::string> same_as;
  bool new_dataset = false;
  std::filesystem::path out;
  std::optional<std::filesystem::path> resume;
  std::optional<uint64_t> seed_for_tests;
  bool dry_run = false;
  bool json = false;

  // What a run has to remember to be resumed: every setting but resume, dry-run and json.
  Json to_json() const;
  static TrainJob from_json(const Json& json);
};

// `arguments` are those behind `discreet train`. Throws Error(kInvalidArgument) that names the setting and
// what is allowed; an unknown setting is answered with the nearest name.
TrainJob parse_train_job(const std::vector<std::string>& arguments);

// The text of `discreet train --help`.
std::string train_help();

}  // namespace discreet
