#include "discreet/data/preflight.h"

#include <algorithm>
#include <set>

#include "discreet/base/error.h"
#include "discreet/data/cell.h"

namespace discreet {
namespace {

[[noreturn]] void refuse(const Table& table, const std::string& column, const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, table.source().string() + ": column '" + column + "' " + what);
}

bool is_missing(const Table& table, int64_t row, int64_t column) {
  return parse_cell(table.cell(row, column)).type == CellType::kMissing;
}

bool has_value(const Table& table, int64_t column) {
  for (int64_t row = 0; row < table.rows(); ++row) {
    if (!is_missing(table, row, column)) return true;
  }
  return false;
}

// Different values of the target, not more than two; of the declared classes where there are some.
size_t different_values(const Table& table, int64_t column, const std::vector<std::string>& classes) {
  std::set<std::string_view> seen;
  for (int64_t row = 0; row < table.rows() && seen.size() < 2; ++row) {
    const auto text = table.cell(row, column);
    const bool counts = classes.empty() ? !is_missing(table, row, column)
                                        : std::find(classes.begin(), classes.end(), text) != classes.end();
    if (counts) seen.insert(text);
  }
  return seen.size();
}

}  // namespace

void check_table(const Table& table, const TableSchema& schema) {
  for (const auto& column : schema.columns) {
    if (column.kind != ColumnKind::kIgnored && !has_value(table, table.column(column.name))) {
      refuse(table, column.name, "has no value in any row; remove it, or declare its kind as ignored");
    }
  }
  if (!schema.target) return;
  const std::string& name = schema.target->name;
  const int64_t column = table.column(name);
  if (!has_value(table, column)) refuse(table, name, "is the target and has no value in any row");
  if (different_values(table, column, schema.target->classes) >= 2) return;
  if (schema.target->classes.empty()) {
    refuse(table, name, "is the target and has one value only; two or more are needed to learn from");
  }
  refuse(table, name, "is the target and has fewer than two of the declared classes in its rows");
}

}  // namespace discreet
