#include "discreet/store/record.h"

#include <algorithm>

#include "discreet/store/admission.h"

namespace discreet {

std::string terms(Relation relation, const std::string& unit) {
  return std::string(to_string(relation)) + ", unit " + unit;
}

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
          {"closes_cap", closes_cap},
          {"statistics_attempts", statistics_attempts},
          {"planned_steps", planned_steps},
          {"charged_steps", charged_steps},
          {"certificate_sha256", certificate_sha256.empty() ? Json() : Json(certificate_sha256)},
          {"started", started},
          {"ended", ended.empty() ? Json() : Json(ended)}};
}

std::optional<DatasetRecord::Spending> DatasetRecord::cap() const {
  if (caps.empty()) return std::nullopt;
  Spending least{caps[0].epsilon, caps[0].delta};
  for (const Cap& one : caps)
    least = {std::min(least.epsilon, one.epsilon), std::min(least.delta, one.delta)};
  return least;
}

bool DatasetRecord::cap_closed() const {
  return std::any_of(caps.begin(), caps.end(), [](const Cap& one) { return one.closed; });
}

std::optional<DatasetRecord::Spending> DatasetRecord::spent() const {
  Spending sum;
  const RunRecord* first = nullptr;
  for (const RunRecord& run : runs) {
    if (!run.counts()) continue;
    if (first == nullptr) first = &run;
    if (run.relation != first->relation || run.unit != first->unit) return std::nullopt;
    sum.epsilon += run.counted_epsilon();
    sum.delta += run.counted_delta();
  }
  return sum;
}

Json DatasetRecord::to_json() const {
  const auto amounts = [](const std::optional<Spending>& spending) -> Json {
    if (!spending) return nullptr;
    return {{"epsilon", spending->epsilon}, {"delta", spending->delta}};
  };
  Json json = {{"id", id}, {"name", name}, {"names", names}, {"cap", amounts(cap())}};
  json["spent"] = amounts(spent());
  json["left"] = json["used"] = json["together"] = nullptr;
  json["charges_lost"] = charges_lost;
  if (!caps.empty()) {
    json["cap"]["relation"] = to_string(caps.back().relation);
    json["cap"]["unit"] = caps.back().unit;
    json["cap"]["set_after_runs"] = cap_set_after_runs;
    json["cap"]["raised_after_runs"] = cap_raised_after_runs;
    json["left"] = {{"epsilon", largest_further_run(*this, cap()->delta)}, {"delta", cap()->delta}};
    json["used"] = used_share(*this);
  } else if (const std::optional<double> rung = together(*this)) {
    json["together"] = {{"epsilon", *rung}, {"delta", kLadderDelta}};
  }
  json["runs"] = Json::array();
  for (const RunRecord& run : runs) json["runs"].push_back(run.to_json());
  return json;
}

}  // namespace discreet
