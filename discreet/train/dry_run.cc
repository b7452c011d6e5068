#include "discreet/base/text.h"
#include "discreet/data/idx.h"
#include "discreet/data/schema.h"
#include "discreet/train/published.h"
#include "discreet/train/train.h"
#include "discreet/train/training_plan.h"

namespace discreet {
namespace {

template <typename Number>
std::string words(const std::optional<Number>& value) {
  return value ? format_number(static_cast<double>(*value), 6)
               : "waits for the private count of units (or --sample-size)";
}

bool has_test_part(const std::filesystem::path& data) {
  return std::filesystem::is_directory(data) &&
         (find_idx(data, "t10k") || std::filesystem::is_directory(data / "test"));
}

// Images whose classes and number are declared need no private statistics. Whether a table's declaration is
// complete shows only in its first line, which a dry run does not read: there the share is planned for.
bool nothing_to_estimate(const TrainJob& job, DataKind kind) {
  if (find_published(job.data) != nullptr) return true;
  if (kind == DataKind::kTable || job.schema.is_null()) return false;
  const std::optional<TargetSchema> target = TableSchema::from_json(job.schema).target;
  const bool units_open = !job.sample_size && job.relation == Relation::kAddOrRemoveOne;
  return target && !target->classes.empty() && !units_open;
}

}  // namespace

Plan plan_of(const TrainJob& job) {
  const DataKind kind = kind_of(job.data);
  check_model(job, kind);
  const PublishedData* published = find_published(job.data);
  PlanRequest request{.epsilon = job.epsilon,
                      .delta = job.delta,
                      .relation = job.relation,
                      .sample_size = job.sample_size,
                      .batch_size = job.batch_size,
                      .epochs = job.epochs,
                      .steps = {},
                      .statistics_share = nothing_to_estimate(job, kind) ? 0.0 : statistics_share(job, kind)};
  if (published && !request.sample_size) request.sample_size = published->units;
  if (!request.sample_size) return make_plan(request);
  *request.sample_size *= 1 - holdout_share(job, published || has_test_part(job.data));
  // A preset's settings follow from the number of units and the budget; which preset, from what is known
  // without reading the data.
  const Shape input = published ? Shape{published->channels, published->height, published->width} : Shape{1};
  if (job.model == "auto" && kind != DataKind::kTable && !published) return make_plan(request);
  const Json settings = model_settings(job, input, published ? published->classes : 2, *request.sample_size,
                                       job.epsilon * (1 - request.statistics_share));
  if (!request.batch_size) request.batch_size = settings.at("batch_size").get<int64_t>();
  if (!request.epochs) request.epochs = settings.at("epochs").get<double>();
  return make_plan(request);
}

void print_plan(const TrainJob& job, const Plan& plan, std::ostream& out) {
  out << "plan for " << job.data << " (nothing was read, charged or written)\n"
      << "  epsilon            " << format_number(plan.epsilon) << " at delta " << format_number(plan.delta)
      << ", " << to_string(plan.relation) << "\n"
      << "  statistics         epsilon " << format_number(plan.shares.statistics_epsilon) << ", delta "
      << format_number(plan.shares.statistics_delta) << "\n"
      << "  training           epsilon " << format_number(plan.shares.training_epsilon) << ", delta "
      << format_number(plan.shares.training_delta) << "\n"
      << "  sample size        " << words(plan.sample_size) << "\n"
      << "  batch size         " << (plan.batch_size ? words(plan.batch_size) : "the preset's") << "\n"
      << "  sample rate        " << words(plan.sample_rate) << "\n"
      << "  steps              " << words(plan.steps) << "\n"
      << "  noise multiplier   " << words(plan.noise_multiplier) << "\n";
  if (plan.shares.statistics_epsilon > 0 && !job.schema.is_null()) {
    out << "  If the schema declares every column and --sample-size the rest, no statistics are needed and "
           "the "
           "training has it all.\n";
  }
}

}  // namespace discreet
