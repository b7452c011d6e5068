#include "discreet/dp/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"
#include "discreet/data/cell.h"
#include "discreet/data/number_grid.h"

namespace discreet {
namespace {

constexpr double kGridStep = 1.0 / 1024;  // what base/sampling.h draws exactly
constexpr double kClearBy = 4;            // a difference below this many standard deviations is not told
constexpr size_t kMaxNumericClasses = 20;
constexpr double kClassCoverage = 0.8;

// Cells that are known beforehand: block << 20 | index. A tree's nodes are numbered level after level.
constexpr uint64_t kCountBlock = 0;
constexpr uint64_t kLabelBlock = 1;
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

void check(const StatisticsBudget& budget, bool needed, bool selects, const std::optional<double>& units) {
  if (needed && !(budget.noise_multiplier > 0 && std::isfinite(budget.noise_multiplier))) {
    throw Error(ErrorKind::kInvalidArgument, "statistics: noise_multiplier must be positive");
  }
  if (selects && !(budget.threshold_delta > 0 && budget.threshold_delta < 1)) {
    throw Error(ErrorKind::kInvalidArgument, "statistics: threshold_delta must be above 0 and below 1");
  }
  if (units && !(*units >= 1 && std::isfinite(*units))) {
    throw Error(ErrorKind::kInvalidArgument, "number of units: 1 or more is allowed");
  }
}

bool counts_units(const std::optional<double>& units, Relation relation) {
  return !units && relation == Relation::kAddOrRemoveOne;
}

double stddev_for(int64_t squared_sensitivity, const StatisticsBudget& budget) {
  const double halved = budget.relation == Relation::kReplaceOne ? 0.5 : 1.0;
  const double exact = budget.noise_multiplier * std::sqrt(static_cast<double>(squared_sensitivity) * halved);
  return std::ceil(exact * (1 + 1e-12) / kGridStep) * kGridStep;  // 1e-12: the rounding of this line
}

Event event_for(const StatisticsBudget& budget, bool needed, bool selects) {
  if (!needed) return Event::composed({});
  const Event counts = Event::discrete_gaussian(budget.noise_multiplier);
  if (!selects) return counts;
  return Event::composed({counts, Event::epsilon_delta(0, budget.threshold_delta)});
}

// The vector with its noise: drawn when a cell is first read.
class NoisyCounts {
 public:
  NoisyCounts(const CountVector& exact, double stddev, RandomStream& random)
      : exact_(exact), stddev_(stddev), random_(random) {}

  double stddev() const { return stddev_; }
  double cell(uint64_t key) {
    const auto [noise, is_new] = noise_.try_emplace(key, 0);
    if (is_new) noise->second = discrete_gaussian(random_, stddev_);
    const auto found = exact_.cells.find(key);
    return static_cast<double>((found == exact_.cells.end() ? 0 : found->second) + noise->second);
  }

  // Values at or above the threshold with their noisy counts, in rows.
  std::map<std::string, double> selected_values(double threshold_delta) {
    const int64_t threshold = kTargetWeight + selection_margin(stddev_, threshold_delta);
    std::map<std::string, double> selected;
    for (const auto& [value, count] : exact_.values) {
      const int64_t noisy = count + discrete_gaussian(random_, stddev_);
      if (noisy >= threshold) selected[value] = static_cast<double>(noisy) / kTargetWeight;
    }
    return selected;
  }

 private:
  const CountVector& exact_;
  double stddev_;
  RandomStream& random_;
  std::unordered_map<uint64_t, int64_t> noise_;
};

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

// Numbers by value, else texts by their bytes: never in an order that the records decide.
std::vector<std::string> ordered(const std::map<std::string, double>& selected) {
  std::vector<std::string> classes;
  for (const auto& [value, count] : selected) classes.push_back(value);
  const auto number = [](const std::string& text) { return parse_cell(text); };
  if (std::all_of(classes.begin(), classes.end(),
                  [&](const auto& text) { return number(text).type == CellType::kNumber; })) {
    std::stable_sort(classes.begin(), classes.end(),
                     [&](const auto& a, const auto& b) { return number(a).value < number(b).value; });
  }
  return classes;
}

[[noreturn]] void too_few_classes(const std::string& what, size_t found) {
  throw Error(ErrorKind::kInvalidArgument,
              what + ": " + std::to_string(found) +
                  " class(es) are frequent enough to be released at this budget, and two "
                  "are needed; declare the classes or give the statistics more budget");
}

void fill_target(size_t index, TargetSchema& target, double units, const StatisticsBudget& budget,
                 NoisyCounts& counts) {
  const bool open_classes = target.classes.empty() && target.kind != TargetKind::kRegression;
  const bool open_types = types_open(target);
  const ColumnCounts types = open_types ? read_types(index, counts) : ColumnCounts{};
  std::map<std::string, double> selected;
  if (open_classes) selected = counts.selected_values(budget.threshold_delta);
  if (!target.kind) {
    const double numbers = types[CellType::kNumber] + types[CellType::kDate];
    double covered = 0;
    for (const auto& [value, count] : selected) covered += count;
    const bool few = selected.size() >= 2 && selected.size() <= kMaxNumericClasses &&
                     covered >= kClassCoverage * std::min(types.known(), units);
    target.kind = numbers <= types.words() || few ? TargetKind::kClasses : TargetKind::kRegression;
    target.kind_source = Source::kPrivate;
  }
  if (target.kind == TargetKind::kClasses) {
    if (!target.classes.empty()) return;
    if (selected.size() < 2) too_few_classes("target '" + target.name + "'", selected.size());
    target.classes = ordered(selected);
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

double fill_units(const std::optional<double>& declared, Relation relation, int64_t exact,
                  NoisyCounts& counts, Source& source, std::vector<std::string>& warnings) {
  source = declared ? Source::kDeclared : Source::kIndependent;
  if (declared) return *declared;
  if (!counts_units(declared, relation)) return static_cast<double>(exact);  // public under this relation
  source = Source::kPrivate;
  const double units = counts.cell(cell_key(kCountBlock, 0)) / kCountWeight;
  if (units < kClearBy * counts.stddev() / kCountWeight) {
    warnings.push_back(
        "the noise is too large to tell the number of units; declare it or give the statistics more "
        "budget");
  }
  return std::max(units, 1.0);
}

Json warnings_json(const std::vector<std::string>& warnings) {
  Json list = Json::array();
  for (const auto& each : warnings) list.push_back(each);
  return list;
}

Source parse_source(const Json& json) {
  for (Source each : {Source::kDeclared, Source::kIndependent, Source::kPrivate}) {
    if (json == to_string(each)) return each;
  }
  throw Error(ErrorKind::kDataLoss, "facts: a source is not declared, independent or private");
}

// Runs a reader of stored facts; whatever is missing or of another type is one clear error.
template <typename Read>
auto read_stored(Read read) {
  try {
    return read();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kDataLoss, "facts: the stored private statistics are damaged");
  }
}

}  // namespace

int64_t selection_margin(double stddev, double delta) {
  const auto tail = [&](int64_t t) {  // upper bound, itself computed to a relative 1e-9
    const double scaled = static_cast<double>(t) / stddev;
    const double above = std::erfc(scaled / std::numbers::sqrt2) / 2;
    const double at = std::exp(-scaled * scaled / 2) / (stddev * std::sqrt(2 * std::numbers::pi));
    return (above + at) * (1 + 1e-9);
  };
  int64_t low = 0, high = 1;
  while (tail(high) > delta) high *= 2;
  while (high - low > 1) {  // tail(low) > delta or low == 0
    const int64_t middle = low + (high - low) / 2;
    (tail(middle) > delta ? low : high) = middle;
  }
  return tail(low) <= delta ? low : high;
}

TableStatistics::TableStatistics(TableSchema declared, std::optional<double> units,
                                 const StatisticsBudget& budget)
    : declared_(std::move(declared)), units_(units), budget_(budget) {
  check(budget_, needed(), selects_classes(), units_);
}

bool TableStatistics::needed() const {
  return squared_sensitivity() > 0;
}
bool TableStatistics::selects_classes() const {
  return classes_open(declared_);
}

int64_t TableStatistics::squared_sensitivity() const {
  constexpr int64_t kColumn = 1 + kGridLevels;  // one type, one node on each level
  int64_t sum = counts_units(units_, budget_.relation) ? kCountWeight * kCountWeight : 0;
  for (const auto& column : declared_.columns) sum += types_open(column) ? kColumn : 0;
  if (declared_.target && types_open(*declared_.target)) sum += kColumn;
  if (selects_classes()) sum += kTargetWeight * kTargetWeight;
  return sum;
}

double TableStatistics::stddev() const {
  return needed() ? stddev_for(squared_sensitivity(), budget_) : 0;
}
Event TableStatistics::event() const {
  return event_for(budget_, needed(), selects_classes());
}

CountVector TableStatistics::count(const TablePart& part, RandomStream& random) const {
  CountVector vector;
  const auto rows = one_row_a_unit(part, random);
  if (counts_units(units_, budget_.relation)) {
    vector.cells[cell_key(kCountBlock, 0)] = kCountWeight * static_cast<int64_t>(rows.size());
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
    if (selects_classes() && cell.type != CellType::kMissing)
      vector.values[std::string(text)] += kTargetWeight;
  }
  return vector;
}

TableFacts TableStatistics::estimate(const TablePart& part, RandomStream& random) const {
  TableFacts facts;
  facts.schema = declared_;
  facts.stddev = stddev();
  const CountVector exact = needed() ? count(part, random) : CountVector{};
  NoisyCounts counts(exact, facts.stddev, random);
  facts.units =
      fill_units(units_, budget_.relation, units_of(part), counts, facts.units_source, facts.warnings);
  for (size_t i = 0; i < facts.schema.columns.size(); ++i) {
    if (types_open(facts.schema.columns[i])) fill_column(i, facts.schema.columns[i], counts, facts.warnings);
  }
  if (facts.schema.target && !facts.schema.target->complete()) {
    fill_target(declared_.columns.size(), *facts.schema.target, facts.units, budget_, counts);
  }
  return facts;
}

Json TableFacts::to_json() const {
  return {{"units", units},
          {"units_source", to_string(units_source)},
          {"stddev", stddev},
          {"warnings", warnings_json(warnings)},
          {"schema", schema.to_json()}};
}

TableFacts TableFacts::from_json(const Json& json) {
  return read_stored([&] {
    TableFacts facts;
    facts.units = json.at("units").get<double>();
    facts.units_source = parse_source(json.at("units_source"));
    facts.stddev = json.at("stddev").get<double>();
    facts.warnings = json.at("warnings").get<std::vector<std::string>>();
    facts.schema = TableSchema::from_json(json.at("schema"));
    return facts;
  });
}

ImageStatistics::ImageStatistics(bool fixed_labels, std::vector<std::string> classes,
                                 std::optional<double> units, const StatisticsBudget& budget)
    : fixed_labels_(fixed_labels), classes_(std::move(classes)), units_(units), budget_(budget) {
  check(budget_, needed(), selects_classes(), units_);
}

bool ImageStatistics::needed() const {
  return squared_sensitivity() > 0;
}
bool ImageStatistics::selects_classes() const {
  return classes_.empty() && !fixed_labels_;
}

int64_t ImageStatistics::squared_sensitivity() const {
  return (counts_units(units_, budget_.relation) ? kCountWeight * kCountWeight : 0) +
         (classes_.empty() ? kTargetWeight * kTargetWeight : 0);
}

double ImageStatistics::stddev() const {
  return needed() ? stddev_for(squared_sensitivity(), budget_) : 0;
}
Event ImageStatistics::event() const {
  return event_for(budget_, needed(), selects_classes());
}

CountVector ImageStatistics::count(const ImageDataset& images) const {
  CountVector vector;
  if (counts_units(units_, budget_.relation))
    vector.cells[cell_key(kCountBlock, 0)] = kCountWeight * images.size();
  if (!classes_.empty()) return vector;
  for (int64_t label : images.labels()) {
    if (label < 0) continue;
    if (fixed_labels_) {
      vector.cells[cell_key(kLabelBlock, label)] += kTargetWeight;
    } else {
      vector.values[images.label_names().at(static_cast<size_t>(label))] += kTargetWeight;
    }
  }
  return vector;
}

ImageFacts ImageStatistics::estimate(const ImageDataset& images, RandomStream& random) const {
  ImageFacts facts;
  facts.stddev = stddev();
  const CountVector exact = count(images);
  NoisyCounts counts(exact, facts.stddev, random);
  facts.units =
      fill_units(units_, budget_.relation, images.size(), counts, facts.units_source, facts.warnings);
  facts.classes = classes_;
  facts.classes_source = Source::kDeclared;
  if (!classes_.empty()) return facts;
  facts.classes_source = Source::kPrivate;
  if (fixed_labels_) {
    for (size_t label = 0; label < images.label_names().size(); ++label) {
      const double noisy = counts.cell(cell_key(kLabelBlock, static_cast<int64_t>(label)));
      if (noisy >= kClearBy * facts.stddev) facts.classes.push_back(images.label_names()[label]);
    }
  } else {
    facts.classes = ordered(counts.selected_values(budget_.threshold_delta));
  }
  if (facts.classes.size() < 2) too_few_classes("labels", facts.classes.size());
  return facts;
}

Json ImageFacts::to_json() const {
  return {{"units", units},     {"units_source", to_string(units_source)},
          {"stddev", stddev},   {"warnings", warnings_json(warnings)},
          {"classes", classes}, {"classes_source", to_string(classes_source)}};
}

ImageFacts ImageFacts::from_json(const Json& json) {
  return read_stored([&] {
    ImageFacts facts;
    facts.units = json.at("units").get<double>();
    facts.units_source = parse_source(json.at("units_source"));
    facts.stddev = json.at("stddev").get<double>();
    facts.warnings = json.at("warnings").get<std::vector<std::string>>();
    facts.classes = json.at("classes").get<std::vector<std::string>>();
    facts.classes_source = parse_source(json.at("classes_source"));
    return facts;
  });
}

}  // namespace discreet
