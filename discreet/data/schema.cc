#include "discreet/data/schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr std::array kSources = {Source::kDeclared, Source::kIndependent, Source::kPrivate};
constexpr std::array kColumnKinds = {ColumnKind::kNumeric, ColumnKind::kCategory, ColumnKind::kDate,
                                     ColumnKind::kBoolean, ColumnKind::kIgnored};
constexpr std::array kTargetKinds = {TargetKind::kClasses, TargetKind::kRegression};

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, "schema: " + message);
}

std::string quote(std::string_view name) {
  return "'" + std::string(name) + "'";
}

template <typename Enum, size_t N>
Enum parse_word(const Json& json, const std::string& where, const std::array<Enum, N>& allowed) {
  std::string list;
  for (Enum each : allowed) {
    if (json.is_string() && json.get_ref<const std::string&>() == to_string(each)) return each;
    list += (list.empty() ? "" : ", ") + std::string(to_string(each));
  }
  refuse(where + " must be one of " + list);
}

void check_keys(const Json& json, const std::string& where, const std::vector<std::string>& allowed) {
  if (!json.is_object()) refuse(where + " must be an object");
  for (const auto& [key, value] : json.items()) {
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
    const std::string close = nearest(key, allowed);
    refuse(where + " has an unknown key " + quote(key) +
           (close.empty() ? "" : "; did you mean " + quote(close) + "?"));
  }
}

std::string text_of(const Json& json, const std::string& where) {
  if (!json.is_string() || json.get_ref<const std::string&>().empty()) refuse(where + " must be a text");
  return json.get<std::string>();
}

double number_of(const Json& json, const std::string& where) {
  if (!json.is_number() || !std::isfinite(json.get<double>())) refuse(where + " must be a finite number");
  return json.get<double>();
}

std::vector<double> knots_of(const Json& json, const std::string& where) {
  if (!json.is_array() || json.size() < 2) refuse(where + " must be two or more ascending numbers");
  std::vector<double> knots;
  for (const auto& each : json) {
    knots.push_back(number_of(each, where));
    if (knots.size() > 1 && knots[knots.size() - 2] >= knots.back()) refuse(where + " must ascend");
  }
  return knots;
}

Source source_of(const Json& json, const std::string& key, const std::string& where) {
  return json.contains(key) ? parse_word(json[key], where + "." + key, kSources) : Source::kDeclared;
}

ColumnSchema column_from_json(const Json& json, const std::string& name) {
  const std::string where = "column " + quote(name);
  check_keys(json, where, {"name", "kind", "kind_source", "knots", "knots_source", "range", "buckets"});
  ColumnSchema column;
  column.name = name;
  if (json.contains("kind")) column.kind = parse_word(json["kind"], where + ".kind", kColumnKinds);
  column.kind_source = source_of(json, "kind_source", where);
  if (json.contains("knots")) column.knots = knots_of(json["knots"], where + ".knots");
  column.knots_source = source_of(json, "knots_source", where);
  if (json.contains("range")) {
    const auto range = knots_of(json["range"], where + ".range");
    if (json.contains("knots") || range.size() != 2)
      refuse(where + ".range must be [low, high], and without knots");
    constexpr int kPieces = 8;  // a declared range is cut into equal pieces
    for (int i = 0; i <= kPieces; ++i) column.knots.push_back(range[0] + (range[1] - range[0]) * i / kPieces);
  }
  if (json.contains("buckets")) {
    const auto& buckets = json["buckets"];
    if (!buckets.is_number_integer() || buckets.get<int64_t>() < 1 || buckets.get<int64_t>() > 65536) {
      refuse(where + ".buckets must be a whole number from 1 to 65536");
    }
    column.buckets = buckets.get<int64_t>();
  }
  const bool has_numbers =
      !column.kind || column.kind == ColumnKind::kNumeric || column.kind == ColumnKind::kDate;
  if (!column.knots.empty() && !has_numbers)
    refuse(where + " has knots, which only numeric and date columns have");
  return column;
}

Json to_json(const ColumnSchema& column) {
  Json json = {{"name", column.name}};
  if (!column.kind) return json;
  json["kind"] = to_string(*column.kind);
  json["kind_source"] = to_string(column.kind_source);
  if (!column.knots.empty()) {
    json["knots"] = column.knots;
    json["knots_source"] = to_string(column.knots_source);
  }
  if (column.kind == ColumnKind::kCategory) json["buckets"] = column.buckets;
  return json;
}

TargetSchema target_from_json(const Json& json) {
  if (json.is_string()) return {.name = text_of(json, "target")};
  check_keys(json, "target",
             {"name", "kind", "kind_source", "classes", "classes_source", "range", "range_source"});
  TargetSchema target;
  target.name = text_of(json.value("name", Json()), "target.name");
  if (json.contains("kind")) target.kind = parse_word(json["kind"], "target.kind", kTargetKinds);
  target.kind_source = source_of(json, "kind_source", "target");
  if (json.contains("classes")) {
    if (!json["classes"].is_array() || json["classes"].size() < 2)
      refuse("target.classes must be two or more texts");
    for (const auto& each : json["classes"])
      target.classes.push_back(text_of(each, "each of target.classes"));
    if (std::set<std::string>(target.classes.begin(), target.classes.end()).size() != target.classes.size()) {
      refuse("target.classes must differ from each other");
    }
    if (!target.kind) target.kind = TargetKind::kClasses;
  }
  target.classes_source = source_of(json, "classes_source", "target");
  if (json.contains("range")) {
    const auto range = knots_of(json["range"], "target.range");
    if (range.size() != 2) refuse("target.range must be [low, high]");
    target.range = {range[0], range[1]};
    if (!target.kind) target.kind = TargetKind::kRegression;
  }
  target.range_source = source_of(json, "range_source", "target");
  if (target.kind == TargetKind::kClasses && target.range) refuse("target.range belongs to a regression");
  if (target.kind == TargetKind::kRegression && !target.classes.empty())
    refuse("target.classes belong to classes");
  return target;
}

Json to_json(const TargetSchema& target) {
  Json json = {{"name", target.name}};
  if (!target.kind) return json;
  json["kind"] = to_string(*target.kind);
  json["kind_source"] = to_string(target.kind_source);
  if (!target.classes.empty()) {
    json["classes"] = target.classes;
    json["classes_source"] = to_string(target.classes_source);
  }
  if (target.range) {
    json["range"] = {target.range->first, target.range->second};
    json["range_source"] = to_string(target.range_source);
  }
  return json;
}

}  // namespace

std::string_view to_string(Source source) {
  switch (source) {
    case Source::kDeclared: return "declared";
    case Source::kIndependent: return "independent";
    case Source::kPrivate: return "private";
  }
  return "";
}

Source parse_source(std::string_view word) {
  for (Source each : kSources) {
    if (word == to_string(each)) return each;
  }
  refuse("a source is one of declared, independent, private");
}

std::string_view to_string(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::kNumeric: return "numeric";
    case ColumnKind::kCategory: return "category";
    case ColumnKind::kDate: return "date";
    case ColumnKind::kBoolean: return "boolean";
    case ColumnKind::kIgnored: return "ignored";
  }
  return "";
}

std::string_view to_string(TargetKind kind) {
  return kind == TargetKind::kClasses ? "classes" : "regression";
}

bool ColumnSchema::complete() const {
  if (!kind) return false;
  return (kind != ColumnKind::kNumeric && kind != ColumnKind::kDate) || !knots.empty();
}

bool TargetSchema::complete() const {
  if (!kind) return false;
  return kind == TargetKind::kClasses ? !classes.empty() : range.has_value();
}

bool TableSchema::complete() const {
  return std::all_of(columns.begin(), columns.end(), [](const auto& column) { return column.complete(); }) &&
         (!target || target->complete());
}

const ColumnSchema* TableSchema::find(std::string_view name) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& each) { return each.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

TableSchema TableSchema::for_columns(const std::string& file, const std::vector<std::string>& names) const {
  const auto require = [&](const std::string& name, const std::string& role) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    const std::string close = nearest(name, names);
    throw Error(ErrorKind::kNotFound, file + ": no column " + quote(name) + ", which is declared as " + role +
                                          (close.empty() ? "" : "; did you mean " + quote(close) + "?"));
  };
  if (target) {
    require(target->name, "the target");
    if (target->name == unit_column)
      refuse("column " + quote(unit_column) + " is both the target and the unit");
    if (find(target->name)) refuse("column " + quote(target->name) + " is both the target and a feature");
  }
  if (!unit_column.empty()) require(unit_column, "the unit of privacy");
  for (const auto& column : columns) require(column.name, "a feature");

  TableSchema out;
  out.target = target;
  out.unit_column = unit_column;
  for (const auto& name : names) {
    if (name == unit_column || (target && name == target->name)) continue;
    const ColumnSchema* declared = find(name);
    if (declared) {
      out.columns.push_back(*declared);
    } else {
      out.columns.emplace_back().name = name;
    }
  }
  return out;
}

Json TableSchema::to_json() const {
  Json json = {{"format", "discreet-table-schema"}, {"version", 1}};
  json["columns"] = Json::array();
  for (const auto& column : columns) json["columns"].push_back(discreet::to_json(column));
  if (target) json["target"] = discreet::to_json(*target);
  if (!unit_column.empty()) json["unit"] = unit_column;
  return json;
}

TableSchema TableSchema::from_json(const Json& json) {
  check_keys(json, "the file", {"format", "version", "columns", "target", "unit"});
  if (json.contains("format") && json["format"] != "discreet-table-schema")
    refuse("format is not discreet-table-schema");
  if (json.contains("version") && json["version"] != 1) refuse("version must be 1");
  TableSchema schema;
  if (json.contains("columns")) {
    const Json& columns = json["columns"];
    if (columns.is_object()) {  // name: {...}, the shape that reads well in TOML
      for (const auto& [name, value] : columns.items())
        schema.columns.push_back(column_from_json(value, name));
    } else if (columns.is_array()) {
      for (const auto& value : columns) {
        if (!value.is_object()) refuse("each of columns must be an object");
        schema.columns.push_back(
            column_from_json(value, text_of(value.value("name", Json()), "columns.name")));
      }
    } else {
      refuse("columns must be an object or a list");
    }
    std::set<std::string> seen;
    for (const auto& column : schema.columns) {
      if (!seen.insert(column.name).second) refuse("column " + quote(column.name) + " is declared twice");
    }
  }
  if (json.contains("target")) schema.target = target_from_json(json["target"]);
  if (json.contains("unit")) schema.unit_column = text_of(json["unit"], "unit");
  return schema;
}

}  // namespace discreet
