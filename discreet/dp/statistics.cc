#include "discreet/dp/statistics.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"
#include "discreet/data/cell.h"
#include "discreet/data/number_grid.h"

namespace discreet {
namespace {

constexpr size_t kMaxNumericClasses = 20;
constexpr double kClassCoverage = 0.8;

// Cells that are known beforehand: block << 20 | index. A tree's nodes are numbered level after level.
enum class Part : uint64_t { kTypes = 1, kNumbers = 2, kDates = 3 };
constexpr uint64_t kParts = 4;

uint64_t cell_key(uint64_t block, int64_t index) {
  return block << 20 | static_cast<uint64_t>(index);
}
uint64_t column_block(size_t column, Part part) {
  return kParts * (column + 1) + static_cast<uint64_t>(part);
}

int64_t tree_index(int level, int64_t node) {
  int64_t start = 0, width = 1;
  for (int i = 1; i < level; ++i) start += width *= kGridBranches;
  return start + node;
}

bool types_open(const ColumnSchema& column) {
  return !column.complete();
}
bool types_open(const TargetSchema& target) {
  return !target.kind || (target.kind == TargetKind::kRegression && !target.range);
}
bool classes_open(const TableSchema& schema) {
  return schema.target && schema.target->classes.empty() && schema.target->kind != TargetKind::kRegression;
}

int64_t squared_sensitivity(const TableSchema& schema, bool with_units) {
  constexpr int64_t kColumn = 1 + kGridLevels;  // one type, one node on each level
  int64_t sum = with_units ? kCountWeight * kCountWeight : 0;
  for (const auto& column : schema.columns) sum += types_open(column) ? kColumn : 0;
  if (schema.target && types_open(*schema.target)) sum += kColumn;
  if (classes_open(schema)) sum += kTargetWeight * kTargetWeight;
  return sum;
}

// Adds a cell to the type histogram and the trees of a column.
void add_cell(size_t column, const Cell& cell, CountVector& vector) {
  ++vector.cells[cell_key(column_block(column, Part::kTypes), static_cast<int64_t>(cell.type))];
  if (cell.type != CellType::kNumber && cell.type != CellType::kDate) return;
  const bool is_number = cell.type == CellType::kNumber;
  const auto grid = is_number ? NumberGrid::kNumbers : NumberGrid::kDates;
  const uint64_t block = column_block(column, is_number ? Part::kNumbers : Part::kDates);
  const int64_t leaf = leaf_of(grid, cell.value);
  for (int level = 1; level <= kGridLevels; ++level) {
    ++vector.cells[cell_key(block, tree_index(level, node_of(leaf, level)))];
  }
}

// The rows that count: one of each unit, uniformly (reservoir sampling).
std::vector<int64_t> one_row_a_unit(const TablePart& part, RandomStream& random) {
  std::vector<int64_t> chosen;
  if (part.units.empty()) {
    chosen.resize(static_cast<size_t>(part.table.rows()));
    std::iota(chosen.begin(), chosen.end(), int64_t{0});
    return chosen;
  }
  std::vector<uint64_t> seen;
  for (size_t row = 0; row < part.units.size(); ++row) {
    const auto unit = static_cast<size_t>(part.units[row]);
    if (unit >= seen.size()) {
      seen.resize(unit + 1, 0);
      chosen.resize(unit + 1, -1);
    }
    if (uniform_below(random, ++seen[unit]) == 0) chosen[unit] = static_cast<int64_t>(row);
  }
  std::erase(chosen, -1);
  return chosen;
}

int64_t units_of(const TablePart& part) {
  if (part.units.empty()) return part.table.rows();
  return static_cast<int64_t>(std::set<int64_t>(part.units.begin(), part.units.end()).size());
}

// Noisy facts of one column.
struct ColumnCounts {
  std::array<double, kCellTypes> types{};
  double operator[](CellType type) const { return types[static_cast<size_t>(type)]; }
  double words() const { return (*this)[CellType::kText] + (*this)[CellType::kBoolean]; }
  double known() const { return words() + (*this)[CellType::kNumber] + (*this)[CellType::kDate]; }
};

ColumnCounts read_types(size_t column, NoisyCounts& counts) {
  ColumnCounts out;
  for (size_t type = 0; type < out.types.size(); ++type) {
    out.types[type] = counts.cell(cell_key(column_block(column, Part::kTypes), static_cast<int64_t>(type)));
  }
  return out;
}

Density read_column(size_t column, NumberGrid grid, double total, NoisyCounts& counts) {
  const uint64_t block = column_block(column, grid == NumberGrid::kNumbers ? Part::kNumbers : Part::kDates);
  return read_density(
      {.grid = grid,
       .count = [&](int level,
                    int64_t node) { return counts.cell(cell_key(block, tree_index(level, node))); },
       .total = total,
       .noise = counts.stddev()});
}

// The kind that most cells have; a category where the noise does not tell.
ColumnKind choose_kind(const ColumnCounts& types, double stddev, bool& clear) {
  const double number = types[CellType::kNumber], date = types[CellType::kDate], words = types.words();
  std::array<double, 3> sorted = {number, date, words};
  std::sort(sorted.rbegin(), sorted.rend());
  clear = sorted[0] - sorted[1] >= kClearBy * stddev;
  if (!clear || words == sorted[0]) {
    const double truths = types[CellType::kBoolean], texts = types[CellType::kText];
    return clear && truths > 0 && texts <= 0.1 * truths + 2 * stddev && truths > 2 * kClearBy * stddev
               ? ColumnKind::kBoolean
               : ColumnKind::kCategory;
  }
  return number == sorted[0] ? ColumnKind::kNumeric : ColumnKind::kDate;
}

void fill_column(size_t index, ColumnSchema& column, NoisyCounts& counts,
                 std::vector<std::string>& warnings) {
  const ColumnCounts types = read_types(index, counts);
  if (!column.kind) {
    bool clear = false;
    column.kind = choose_kind(types, counts.stddev(), clear);
    column.kind_source = Source::kPrivate;
    if (!clear) {
      warnings.push_back("column '" + column.name +
                         "': the noise is too large to tell its kind, so it is treated as "
                         "a category; declare its kind or give the statistics more budget");
    }
  }
  if (column.complete()) {
    if (column.kind != ColumnKind::kNumeric && column.kind != ColumnKind::kDate) column.knots.clear();
    return;
  }
  const auto grid = column.kind == ColumnKind::kNumeric ? NumberGrid::kNumbers : NumberGrid::kDates;
  const double total = types[grid == NumberGrid::kNumbers ? CellType::kNumber : CellType::kDate];
  column.knots = read_knots(read_column(index, grid, total, counts));
  column.knots_source = Source::kPrivate;
  if (column.knots.empty()) {
    column.knots = fixed_knots(grid);
    column.knots_source = Source::kIndependent;
    warnings.push_back("column '" + column.name +
                       "': the noise is too large to tell its range, so fixed knots are "
                       "used; declare its range or give the statistics more budget");
  }
}

void fill_target(size_t index, TargetSchema& target, double units, NoisyCounts& counts) {
  const bool open_classes = target.classes.empty() && target.kind != TargetKind::kRegression;
  const bool open_types = types_open(target);
  const ColumnCounts types = open_types ? read_types(index, counts) : ColumnCounts{};
  std::map<std::string, double> selected;
  if (open_classes) selected = counts.take_selected_values();
  if (!target.kind) {
    const double numbers = types[CellType::kNumber] + types[CellType::kDate];
    double covered = 0;
    for (const auto& [value, cell] : selected) covered += cell / kTargetWeight;
    const bool few = selected.size() >= 2 && selected.size() <= kMaxNumericClasses &&
                     covered >= kClassCoverage * std::min(types.known(), units);
    target.kind = numbers - types.words() < kClearBy * counts.stddev() || few ? TargetKind::kClasses
                                                                              : TargetKind::kRegression;
    target.kind_source = Source::kPrivate;
  }
  if (target.kind == TargetKind::kClasses) {
    if (!target.classes.empty()) return;
    if (selected.size() < 2) too_few_classes("target '" + target.name + "'", selected.size());
    target.classes = ordered_classes(selected);
    target.classes_source = Source::kPrivate;
    return;
  }
  if (target.range) return;
  const bool dates = types[CellType::kDate] > types[CellType::kNumber];
  const double total = types[dates ? CellType::kDate : CellType::kNumber];
  target.range =
      read_range(read_column(index, dates ? NumberGrid::kDates : NumberGrid::kNumbers, total, counts));
  target.range_source = Source::kPrivate;
  if (!target.range) {
    throw Error(ErrorKind::kInvalidArgument,
                "target '" + target.name +
                    "': the noise is too large to tell its range; declare it or give the "
                    "statistics more budget");
  }
}

}  // namespace

TableStatistics::TableStatistics(TableSchema declared, std::optional<double> units,
                                 const StatisticsBudget& budget)
    : declared_(std::move(declared)),
      units_(units),
      relation_(budget.relation),
      mechanism_(budget, squared_sensitivity(declared_, counts_units(units, budget.relation)),
                 classes_open(declared_)) {
  check_units(units);
}

CountVector TableStatistics::count(const TablePart& part, RandomStream& random) const {
  CountVector vector;
  const auto rows = one_row_a_unit(part, random);
  if (counts_units(units_, relation_)) {
    vector.cells[units_cell()] = kCountWeight * static_cast<int64_t>(rows.size());
  }
  for (size_t i = 0; i < declared_.columns.size(); ++i) {
    if (!types_open(declared_.columns[i])) continue;
    const int64_t column = part.table.column(declared_.columns[i].name);
    for (int64_t row : rows) add_cell(i, parse_cell(part.table.cell(row, column)), vector);
  }
  if (!declared_.target) return vector;
  const int64_t column = part.table.column(declared_.target->name);
  for (int64_t row : rows) {
    const std::string_view text = part.table.cell(row, column);
    const Cell cell = parse_cell(text);
    if (types_open(*declared_.target)) add_cell(declared_.columns.size(), cell, vector);
    if (mechanism_.selects_values() && cell.type != CellType::kMissing)
      vector.values[std::string(text)] += kTargetWeight;
  }
  return vector;
}

TableFacts TableStatistics::estimate(const TablePart& part, RandomStream& random) const {
  TableFacts facts;
  facts.schema = declared_;
  facts.stddev = mechanism_.stddev();
  const CountVector exact = mechanism_.needed() ? count(part, random) : CountVector{};
  NoisyCounts counts(exact, mechanism_, random);
  read_units(units_, relation_, units_of(part), counts, facts);
  for (size_t i = 0; i < facts.schema.columns.size(); ++i) {
    if (types_open(facts.schema.columns[i])) fill_column(i, facts.schema.columns[i], counts, facts.warnings);
  }
  if (facts.schema.target && !facts.schema.target->complete()) {
    fill_target(declared_.columns.size(), *facts.schema.target, facts.units, counts);
  }
  return facts;
}

Json TableFacts::to_json() const {
  Json json = facts_json();
  json["schema"] = schema.to_json();
  return json;
}

TableFacts TableFacts::from_json(const Json& json) {
  TableFacts facts;
  facts.read_facts(json);
  facts.schema = TableSchema::from_json(json.value("schema", Json()));
  return facts;
}

}  // namespace discreet
