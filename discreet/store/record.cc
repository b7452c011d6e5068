#include "discreet/store/record.h"

#include <algorithm>

namespace discreet {

double RunRecord::counted_epsilon() const {
  if (status == "settled") return settled_epsilon;
  return status == "given-up" && !anything_charged() ? 0 : released_epsilon.value_or(epsilon);
}

double RunRecord::counted_delta() const {
  if (status == "settled") return settled_delta;
  return status == "given-up" && !anything_charged() ? 0 : released_delta.value_or(delta);
}

Json RunRecord::to_json() const {
  return {{"id", id},
          {"name", name},
          {"status", status},
          {"epsilon", counted_epsilon()},
          {"delta", counted_delta()},
          {"reserved_epsilon", epsilon},
          {"reserved_delta", delta},
          {"relation", to_string(relation)},
          {"unit", unit},
          {"statistics_attempts", statistics_attempts},
          {"planned_steps", planned_steps},
          {"charged_steps", charged_steps},
          {"certificate_sha256", certificate_sha256.empty() ? Json() : Json(certificate_sha256)},
          {"started", started},
          {"ended", ended.empty() ? Json() : Json(ended)}};
}

std::optional<DatasetRecord::Spending> DatasetRecord::spent() const {
  Spending sum;
  const RunRecord* first = nullptr;
  for (const RunRecord& run : runs) {
    if (run.counted_epsilon() == 0 && run.counted_delta() == 0) continue;
    if (first == nullptr) first = &run;
    if (run.relation != first->relation || run.unit != first->unit) return std::nullopt;
    sum.epsilon += run.counted_epsilon();
    sum.delta += run.counted_delta();
  }
  return sum;
}

std::optional<DatasetRecord::Spending> DatasetRecord::left() const {
  const auto sum = spent();
  if (!cap || !sum) return std::nullopt;
  return Spending{std::max(0.0, cap->epsilon - sum->epsilon), std::max(0.0, cap->delta - sum->delta)};
}

Json DatasetRecord::to_json() const {
  const auto amounts = [](const std::optional<Spending>& spending) -> Json {
    if (!spending) return nullptr;
    return {{"epsilon", spending->epsilon}, {"delta", spending->delta}};
  };
  Json json = {{"id", id}, {"name", name}, {"names", names}, {"cap", nullptr}};
  if (cap) {
    json["cap"] = {{"epsilon", cap->epsilon},
                   {"delta", cap->delta},
                   {"relation", to_string(cap->relation)},
                   {"unit", cap->unit},
                   {"raised_after_runs", cap_raised_after_runs}};
  }
  json["spent"] = amounts(spent());
  json["left"] = amounts(left());
  json["runs"] = Json::array();
  for (const RunRecord& run : runs) json["runs"].push_back(run.to_json());
  return json;
}

}  // namespace discreet
