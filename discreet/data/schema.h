// The preprocessing of a table as data: what each column is and how each of these facts was obtained.
//
// One type serves for what an owner declares (anything may be left open), for the result of the private
// statistics (dp/statistics.h fills what is open) and for model.json ("preprocessing"). docs/schema.md is its
// page. Nothing here looks at records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discreet/base/json.h"

namespace discreet {

// How a fact was obtained: stated by the owner; the same whatever the records say; estimated and charged.
enum class Source { kDeclared, kIndependent, kPrivate };
std::string_view to_string(Source source);   // "declared", "independent", "private"
Source parse_source(std::string_view word);  // kInvalidArgument with the three allowed words

enum class ColumnKind { kNumeric, kCategory, kDate, kBoolean, kIgnored };
std::string_view to_string(ColumnKind kind);  // "numeric", "category", "date", "boolean", "ignored"

inline constexpr int64_t kDefaultBuckets = 128;

struct ColumnSchema {
  std::string name;
  std::optional<ColumnKind> kind = {};
  Source kind_source = Source::kDeclared;
  // Numeric and date: two or more ascending finite numbers, the corners of the piecewise-linear encoding
  // (dates in days since 1970-01-01). Empty: open.
  std::vector<double> knots = {};
  Source knots_source = Source::kDeclared;
  // Category: number of hash buckets, 1 to 65536; fixed, so independent of the data.
  int64_t buckets = kDefaultBuckets;

  // Nothing is left for the statistics to find.
  bool complete() const;
};

enum class TargetKind { kClasses, kRegression };
std::string_view to_string(TargetKind kind);  // "classes", "regression"

struct TargetSchema {
  std::string name;
  std::optional<TargetKind> kind = {};
  Source kind_source = Source::kDeclared;
  // kClasses: the texts of the classes, at least two, in the order of the outputs. Empty: open.
  std::vector<std::string> classes = {};
  Source classes_source = Source::kDeclared;
  // kRegression: targets are mapped linearly from [low, high] to [-1, 1] and clamped. low < high.
  std::optional<std::pair<double, double>> range = {};
  Source range_source = Source::kDeclared;

  bool complete() const;
};

struct TableSchema {
  std::vector<ColumnSchema> columns;  // features only, in the order of the encoder's output
  std::optional<TargetSchema> target;
  std::string unit_column;  // empty: each row is a unit

  bool complete() const;
  const ColumnSchema* find(std::string_view name) const;

  // The schema for a table with these columns (file order, public): every column that is neither target nor
  // unit becomes a feature, with what *this declares about it. Declares nothing new. kNotFound with the
  // nearest name where target, unit or a declared column is not among them; kInvalidArgument where the target
  // is also the unit or is declared as a feature.
  TableSchema for_columns(const std::string& file, const std::vector<std::string>& names) const;

  Json to_json() const;
  // Partial or complete; unknown keys, kinds and impossible values are kInvalidArgument, with the nearest
  // name.
  static TableSchema from_json(const Json& json);
};

}  // namespace discreet
