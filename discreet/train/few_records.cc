#include "discreet/train/few_records.h"

#include <cmath>

#include "discreet/accounting/calibrate.h"
#include "discreet/base/text.h"
#include "discreet/dp/image_statistics.h"
#include "discreet/dp/statistics.h"
#include "discreet/train/private_data.h"
#include "discreet/train/published.h"
#include "discreet/train/training_plan.h"

namespace discreet {
namespace {

constexpr double kSafely = 2;        // deviations of the noise between two equal classes and what is released
constexpr double kRangeClearBy = 6;  // numbers, in deviations of the noise, from which a range can be read

TableSchema declared_schema(const TrainJob& job) {
  TableSchema schema = job.schema.is_null() ? TableSchema{} : TableSchema::from_json(job.schema);
  if (!schema.target) schema.target.emplace();
  if (job.target) schema.target->name = *job.target;
  return schema;
}

std::optional<std::string> table_warning(const TrainJob& job, const TableSchema& schema, double records) {
  const TableStatistics statistics(schema, job.sample_size,
                                   statistics_budget(job, statistics_share(job, DataKind::kTable)));
  if (!probably_too_few(statistics.mechanism(), open_target(*schema.target), records)) return std::nullopt;
  return too_few_words(job.epsilon, declaration(*schema.target));
}

std::optional<std::string> image_warning(const TrainJob& job, const TableSchema& schema, DataKind kind,
                                         double records) {
  const bool fixed = kind == DataKind::kIdx;
  const ImageStatistics statistics(fixed, schema.target->classes, job.sample_size,
                                   statistics_budget(job, statistics_share(job, kind)));
  const OpenTarget open = !schema.target->classes.empty() ? OpenTarget::kNothing
                          : fixed                         ? OpenTarget::kLabels
                                                          : OpenTarget::kClasses;
  if (!probably_too_few(statistics.mechanism(), open, records)) return std::nullopt;
  return too_few_words(job.epsilon, declaration({.name = "label"}));
}

}  // namespace

StatisticsBudget statistics_budget(const TrainJob& job, double share) {
  const double epsilon = share * job.epsilon, delta = share * job.delta;
  // Renyi, as the discrete Gaussian is accounted.
  const double noise =
      calibrate_noise_multiplier({epsilon, delta / 2, job.relation, Accountant::kRdp}, 1.0, 1);
  return {job.relation, noise, delta / 2};
}

OpenTarget open_target(const TargetSchema& target) {
  if (target.complete()) return OpenTarget::kNothing;
  if (target.kind == TargetKind::kRegression) return OpenTarget::kRange;
  return target.classes.empty() ? OpenTarget::kClasses : OpenTarget::kNothing;
}

std::string declaration(const TargetSchema& target) {
  const std::string name = R"({"target": {"name": )" + Json(target.name).dump();
  if (target.kind == TargetKind::kRegression) return name + R"(, "range": [LOW, HIGH]}})";
  return name + R"(, "classes": ["...", "..."]}})";
}

std::string about(double records) {
  const double step = std::pow(10, std::max(0.0, std::floor(std::log10(std::max(records, 1.0))) - 1));
  return format_number(step * std::round(records / step), 15);
}

bool probably_too_few(const CountMechanism& mechanism, OpenTarget open, double records) {
  if (!mechanism.needed()) return false;
  const double of_a_class = kTargetWeight * records / 2 - kSafely * mechanism.stddev();
  switch (open) {
    case OpenTarget::kNothing: return false;
    case OpenTarget::kClasses: return of_a_class < static_cast<double>(mechanism.threshold());
    case OpenTarget::kLabels: return of_a_class < kLabelClearBy * mechanism.stddev();
    case OpenTarget::kRange: return records < kRangeClearBy * mechanism.stddev();
  }
  return false;
}

std::string too_few_words(double epsilon, const std::string& declaration) {
  return "the records are too few for private statistics at epsilon " + format_number(epsilon) +
         ": a run may well end with the statistics charged and no model; declare " +
         "what they would have to tell, which costs nothing: --schema FILE, where FILE holds " + declaration;
}

std::optional<std::string> too_few_records(const TrainJob& job, const OpenedData& data) {
  TableSchema schema = declared_schema(job);
  const auto in_training = [&](int64_t records, bool has_test_part) {
    return static_cast<double>(records) * (1 - holdout_share(job, has_test_part));
  };
  if (data.kind != DataKind::kTable) {
    if (data.train->labels().empty() || find_published(job.data) != nullptr) return std::nullopt;
    return image_warning(job, schema, data.kind, in_training(data.train->size(), data.test.has_value()));
  }
  const Table& table = *data.table;
  if (schema.target->name.empty()) schema.target->name = table.names().back();
  if (table.columns() < 2) return std::nullopt;
  schema = schema.for_columns(table.source().filename().string(), table.names());
  return table_warning(job, schema, in_training(table.rows(), false));
}

std::optional<std::string> too_few_records(const TrainJob& job) {
  if (!job.sample_size || find_published(job.data) != nullptr) return std::nullopt;
  TableSchema schema = declared_schema(job);
  const DataKind kind = kind_of(job.data);
  const double records = *job.sample_size * (1 - holdout_share(job, false));
  if (kind != DataKind::kTable) return image_warning(job, schema, kind, records);
  schema.columns.clear();  // a dry run does not read which columns there are; more of them mean more noise
  if (schema.target->name.empty()) schema.target->name = "...";
  return table_warning(job, schema, records);
}

}  // namespace discreet
