#include "discreet/train/private_data.h"

#include "discreet/base/text.h"

namespace discreet {

Fact fact_of(std::string fact, Source source, std::string detail) {
  return {std::move(fact), std::string(to_string(source)), std::move(detail)};
}

std::string units_detail(const Facts& facts) {
  const std::string units = format_number(facts.units, 6);
  const bool told =
      facts.units_source != Source::kPrivate || facts.units >= kClearBy * facts.stddev / kCountWeight;
  return told ? units : "at least 1: the noise is too large to tell; " + units + " was used";
}

double holdout_share(const TrainJob& job, bool has_test_part) {
  return job.holdout.value_or(has_test_part ? 0.0 : 0.1);
}

std::unique_ptr<PrivateData> open_private_data(const TrainJob& job, const std::string& split_key) {
  OpenedData opened = open_data(job.data, {.header = job.header, .separator = job.separator});
  if (opened.kind == DataKind::kTable) return make_table_data(job, std::move(*opened.table), split_key);
  return make_image_data(job, std::move(opened), split_key);
}

}  // namespace discreet
