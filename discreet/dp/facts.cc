#include "discreet/dp/facts.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/data/cell.h"

namespace discreet {

Json Facts::facts_json() const {
  Json json = {{"units", units}, {"units_source", to_string(units_source)}, {"stddev", stddev}};
  json["warnings"] = Json::array();
  for (const auto& each : warnings) json["warnings"].push_back(each);
  return json;
}

void Facts::read_facts(const Json& json) {
  try {
    units = json.at("units").get<double>();
    units_source = parse_source(json.at("units_source").get<std::string>());
    stddev = json.at("stddev").get<double>();
    warnings = json.at("warnings").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss, "facts: the stored private statistics are damaged");
  }
}

bool counts_units(const std::optional<double>& declared, Relation relation) {
  return !declared && relation == Relation::kAddOrRemoveOne;
}

uint64_t units_cell() {
  return 0;
}

void check_units(const std::optional<double>& declared) {
  if (declared && !(*declared >= 1 && std::isfinite(*declared))) {
    throw Error(ErrorKind::kInvalidArgument, "number of units: 1 or more is allowed");
  }
}

void read_units(const std::optional<double>& declared, Relation relation, int64_t exact, NoisyCounts& counts,
                Facts& facts) {
  facts.units_source = declared ? Source::kDeclared : Source::kIndependent;
  facts.units =
      declared.value_or(static_cast<double>(exact));  // exact: only where the relation makes it public
  if (!counts_units(declared, relation)) return;
  facts.units_source = Source::kPrivate;
  const double noisy = counts.cell(units_cell()) / kCountWeight;
  if (noisy < kClearBy * counts.stddev() / kCountWeight) {
    facts.warnings.emplace_back(
        "the noise is too large to tell the number of units; declare it or give the statistics more budget");
  }
  facts.units = std::max(noisy, 1.0);
}

std::vector<std::string> ordered_classes(const std::map<std::string, double>& selected) {
  std::vector<std::string> classes;
  for (const auto& [value, count] : selected) classes.push_back(value);
  const auto is_number = [](const std::string& text) { return parse_cell(text).type == CellType::kNumber; };
  if (std::all_of(classes.begin(), classes.end(), is_number)) {
    std::stable_sort(classes.begin(), classes.end(), [](const std::string& a, const std::string& b) {
      return parse_cell(a).value < parse_cell(b).value;
    });
  }
  return classes;
}

void too_few_classes(const std::string& what, size_t found) {
  throw Error(
      ErrorKind::kInvalidArgument,
      what + ": " + std::to_string(found) +
          " class(es) are frequent enough to be released at this budget, and two are needed; declare the "
          "classes or give the statistics more budget");
}

}  // namespace discreet
