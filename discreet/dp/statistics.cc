#include "discreet/dp/statistics.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"
#include "discreet/base/text.h"
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
  if (schema.target && types_open(*schema.target)) sum += kTargetColumnWeight * kTargetColumnWeight * kColumn;
  if (classes_open(schema)) sum += kTargetWeight * kTargetWeight;
  return sum;
}

// Adds a cell to the type histogram and the trees of a column.
void add_cell(size_t column, const Cell& cell, int64_t weight, CountVector& vector) {
  vector.cells[cell_key(column_block(column, Part::kTypes), static_cast<int64_t>(cell.type))] += weight;
  if (cell.type != CellType::kNumber && cell.type != CellType::kDate) return;
  const bool is_number = cell.type == CellType::kNumber;
  const auto grid = is_number ? NumberGrid::kNumbers : NumberGrid::kDates;
  const uint64_t block = column_block(column, is_number ? Part::kNumbers : Part::kDates);
  const int64_t leaf = leaf_of(grid, cell.value);
  for (int level = 1; level <= kGridLevels; ++level) {
    vector.cells[cell_key(block, tree_index(level, node_of(leaf, level)))] += weight;
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

// In rows: a row added `weight` to its cells.
ColumnCounts read_types(size_t column, int64_t weight, NoisyCounts& counts) {
  ColumnCounts out;
  for (size_t type = 0; type < out.types.size(); ++type) {
    out.types[type] = counts.cell(cell_key(column_block(column, Part::kTypes), static_cast<int64_t>(type))) /
                      static_cast<double>(weight);
  }
  return out;
}

NoisyTree tree_of(size_t column, NumberGrid grid, double total, int64_t weight, NoisyCounts& counts) {
  const uint64_t block = column_block(column, grid == NumberGrid::kNumbers ? Part::kNumbers : Part::kDates);
  const auto each = static_cast<double>(weight);
  return {.grid = grid,
          .count = [block, each, &counts](
                       int level,
                       int64_t node) { return counts.cell(cell_key(block, tree_index(level, node))) / each; },
          .total = total,
          .noise = counts.stddev() / each};
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
  const ColumnCounts types = read_types(index, 1, counts);
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
  column.knots = read_knots(read_density(tree_of(index, grid, total, 1, counts)));
  column.knots_source = Source::kPrivate;
  if (column.knots.empty()) {
    column.knots = fixed_knots(grid);
    column.knots_source = Source::kIndependent;
    warnings.push_back("column '" + column.name +
                       "': the noise is too large to tell its range, so fixed knots are "
                       "used; declare its range or give the statistics more budget");
  }
}

// Where the private counts do not tell what the owner can: both ways out.
[[noreturn]] void refuse_target(const std::string& name, const std::string& why) {
  throw Error(ErrorKind::kInvalidArgument,
              "target '" + name + "': " + why +
                  "; declare in a schema its kind, regression with a range or classes with their names, or "
                  "give the statistics more budget");
}

std::string too_few(size_t found) {
  return std::to_string(found) +
         " class(es) are frequent enough to be released at this budget, two are needed, and the noise is too "
         "large to tell the range of a number";
}

// The range of a numeric target, where the noise lets it be found.
std::optional<std::pair<double, double>> find_range(size_t index, const ColumnCounts& types,
                                                    NoisyCounts& counts) {
  const bool dates = types[CellType::kDate] > types[CellType::kNumber];
  return read_range(tree_of(index, dates ? NumberGrid::kDates : NumberGrid::kNumbers,
                            types[dates ? CellType::kDate : CellType::kNumber], kTargetColumnWeight, counts));
}

// classes: few values cover most rows, or no number of them is clear. regression: clearly most cells are
// numbers, or no class can be released and the noisy counts have more numbers than words.
TargetKind choose_target_kind(const ColumnCounts& types, const std::map<std::string, double>& selected,
                              double units, double stddev, bool& numbers) {
  const double surplus = types[CellType::kNumber] + types[CellType::kDate] - types.words();
  double covered = 0;
  for (const auto& [value, cell] : selected) covered += cell / kTargetWeight;
  const bool few = selected.size() >= 2 && selected.size() <= kMaxNumericClasses &&
                   covered >= kClassCoverage * std::min(types.known(), units);
  numbers = surplus >= kClearBy * stddev;
  if (numbers) return few ? TargetKind::kClasses : TargetKind::kRegression;
  return surplus > 0 && selected.size() < 2 ? TargetKind::kRegression : TargetKind::kClasses;
}

void fill_target(size_t index, TargetSchema& target, NoisyCounts& counts, TableFacts& facts) {
  const bool open_classes = target.classes.empty() && target.kind != TargetKind::kRegression;
  const ColumnCounts types =
      types_open(target) ? read_types(index, kTargetColumnWeight, counts) : ColumnCounts{};
  std::map<std::string, double> selected;
  if (open_classes) selected = counts.take_selected_values();
  const std::string choose = "; declare its kind (classes or regression) in a schema to choose";
  const bool open_kind = !target.kind;
  bool numbers = false;
  if (open_kind) {
    target.kind =
        choose_target_kind(types, selected, facts.units, counts.stddev() / kTargetColumnWeight, numbers);
    target.kind_source = Source::kPrivate;
  }
  if (target.kind == TargetKind::kClasses) {
    if (!target.classes.empty()) return;
    if (selected.size() < 2) {
      if (open_kind) refuse_target(target.name, too_few(selected.size()));
      too_few_classes("target '" + target.name + "'", selected.size());
    }
    target.classes = ordered_classes(selected);
    target.classes_source = Source::kPrivate;
    if (open_kind && numbers) {
      facts.warnings.push_back("the target '" + target.name + "' holds numbers and is taken as " +
                               std::to_string(selected.size()) + " classes" + choose);
    }
    return;
  }
  if (!target.range) {
    target.range = find_range(index, types, counts);
    target.range_source = Source::kPrivate;
    if (!target.range) {
      refuse_target(target.name, open_kind && selected.size() < 2
                                     ? too_few(selected.size())
                                     : "the noise is too large to tell the range of its numbers");
    }
  }
  if (open_kind) {
    facts.warnings.push_back("the target '" + target.name + "' is taken as a number (regression) between " +
                             format_number(target.range->first) + " and " +
                             format_number(target.range->second) + choose);
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
    for (int64_t row : rows) add_cell(i, parse_cell(part.table.cell(row, column)), 1, vector);
  }
  if (!declared_.target) return vector;
  const int64_t column = part.table.column(declared_.target->name);
  for (int64_t row : rows) {
    const std::string_view text = part.table.cell(row, column);
    const Cell cell = parse_cell(text);
    if (types_open(*declared_.target)) add_cell(declared_.columns.size(), cell, kTargetColumnWeight, vector);
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
    fill_target(declared_.columns.size(), *facts.schema.target, counts, facts);
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
