// A table as the data of a run.
#include <map>
#include <set>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/data/cell.h"
#include "discreet/data/identifiers.h"
#include "discreet/data/preflight.h"
#include "discreet/data/table_dataset.h"
#include "discreet/data/units.h"
#include "discreet/train/few_records.h"
#include "discreet/train/private_data.h"

namespace discreet {
namespace {

class TableData : public PrivateData {
 public:
  TableData(const TrainJob& job, Table table, const std::string& split_key)
      : job_(job), table_(std::move(table)), holdout_(holdout_share(job, false)) {
    TableSchema declared = job.schema.is_null() ? TableSchema{} : TableSchema::from_json(job.schema);
    declare_all(declared);
    if (!declared.target) declared.target.emplace();
    if (job.target) declared.target->name = *job.target;
    if (declared.target->name.empty()) declared.target->name = table_.names().back();
    if (job.unit) declared.unit_column = *job.unit;
    declared_ = declared.for_columns(table_.source().filename().string(), table_.names());
    if (table_.columns() < 2) {
      throw Error(
          ErrorKind::kInvalidArgument,
          table_.source().string() + ": allowed is a table with at least one column beside the target");
    }
    check_table(table_, declared_);
    split_ = split_table(table_, declared_.unit_column, job.max_rows_per_unit, holdout_,
                         SplitKey::from_hex(split_key));
  }

  DataKind kind() const override { return DataKind::kTable; }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> warnings;
    if (declared_.unit_column.empty()) {
      for (const Identifier& identifier : find_identifiers(table_)) {
        if (!identifier.repeats || identifier.column == declared_.target->name) continue;
        warnings.push_back("column '" + identifier.column +
                           "' looks like an identifier that repeats: the guarantee is for one row, " +
                           "not for one person; if one person has several rows, use --unit " +
                           shell_word(identifier.column));
      }
    }
    return warnings;
  }

  void for_each_record(const std::function<void(std::string_view)>& visit) const override {
    discreet::for_each_record(table_, visit);
  }

  std::optional<Event> set_budget(const StatisticsBudget& budget) override {
    std::optional<double> units = job_.sample_size;
    if (units) *units *= 1 - holdout_;
    statistics_.emplace(declared_, units, budget);
    if (!statistics_->mechanism().needed()) return std::nullopt;
    return statistics_->mechanism().event();
  }

  std::optional<std::string> too_few_records() const override {
    const auto& units = split_->train.units;
    const auto records = job_.sample_size ? *job_.sample_size * (1 - holdout_)
                         : units.empty()  ? static_cast<double>(split_->train.table.rows())
                                          : static_cast<double>(std::set(units.begin(), units.end()).size());
    if (!probably_too_few(statistics_->mechanism(), open_target(*declared_.target), records)) return {};
    return too_few_words(job_.epsilon, declaration());
  }

  std::string declaration() const override { return discreet::declaration(*declared_.target); }

  Json estimate(RandomStream& random) const override {
    return statistics_->estimate(split_->train, random).to_json();
  }

  PreparedData prepare(const Json& json) override;
  void add_examples(const PreparedData& prepared, const std::vector<int64_t>& rows,
                    OwnerFacts& page) const override;

 private:
  // What a job says is declared, whatever a schema that was copied from a package says of its origin.
  static void declare_all(TableSchema& schema) {
    for (ColumnSchema& column : schema.columns) column.kind_source = column.knots_source = Source::kDeclared;
    if (schema.target) {
      schema.target->kind_source = schema.target->classes_source = schema.target->range_source =
          Source::kDeclared;
    }
  }

  void add_facts(const TableFacts& facts, PreparedData& prepared) const;

  TrainJob job_;
  Table table_;
  double holdout_;
  TableSchema declared_;
  std::optional<TableSplit> split_;
  std::optional<TableStatistics> statistics_;
};

PreparedData TableData::prepare(const Json& json) {
  const TableFacts facts = TableFacts::from_json(json);
  const TargetSchema& target = *facts.schema.target;
  TableEncoder encoder(facts.schema);
  PreparedData prepared;
  prepared.kind = DataKind::kTable;
  prepared.input_shape = {encoder.width()};
  prepared.outputs = encoder.outputs();
  prepared.classes = target.classes;
  prepared.squared_length = encoder.squared_length();
  prepared.units = facts.units;
  prepared.units_source = facts.units_source;
  prepared.warnings = facts.warnings;
  prepared.preprocessing = {{"kind", "table"}, {"schema", facts.schema.to_json()}};
  prepared.train = std::make_unique<TableDataset>(encoder, split_->train);
  if (split_->test.table.rows() > 0) {
    prepared.test = std::make_unique<TableDataset>(encoder, split_->test);
    prepared.test_other_classes = encoder.rows_of_other_classes(split_->test.table);
    if (target.kind == TargetKind::kRegression)
      prepared.test_values = encoder.target_values(split_->test.table);
    prepared.test_origin = "a random " + format_number(100 * holdout_) + " % of the " +
                           (declared_.unit_column.empty() ? "rows" : "units") + ", kept out of training";
  }
  add_facts(facts, prepared);
  return prepared;
}

// One fact for each kind of knowledge and way in which it was obtained, with the columns that it is about.
void TableData::add_facts(const TableFacts& facts, PreparedData& prepared) const {
  std::map<Source, std::string> kinds, knots;
  const auto list = [](std::string& names, const std::string& name) {
    names += (names.empty() ? "" : ", ") + name;
  };
  for (const ColumnSchema& column : facts.schema.columns) {
    list(kinds[column.kind_source], column.name);
    if (!column.knots.empty()) list(knots[column.knots_source], column.name);
  }
  prepared.facts.push_back(fact_of("names and number of columns",
                                   job_.header.has_value() ? Source::kDeclared : Source::kIndependent,
                                   job_.header == false ? "column1, column2, ...: the first line is a record"
                                                        : "the table's first line, which holds no record"));
  prepared.facts.push_back(fact_of("number of units in training", facts.units_source, units_detail(facts)));
  for (const auto& [source, names] : kinds)
    prepared.facts.push_back(fact_of("types of columns", source, names));
  for (const auto& [source, names] : knots)
    prepared.facts.push_back(fact_of("scales of numeric columns", source, names));
  prepared.facts.push_back(
      fact_of("encoding of categories", Source::kIndependent, "hashed into a fixed number of buckets"));
  const TargetSchema& target = *facts.schema.target;
  prepared.facts.push_back(
      fact_of("classification or regression", target.kind_source, std::string(to_string(*target.kind))));
  if (*target.kind == TargetKind::kClasses) {
    prepared.facts.push_back(
        fact_of("classes", target.classes_source, std::to_string(target.classes.size()) + " classes"));
  } else {
    prepared.facts.push_back(fact_of("range of the target", target.range_source,
                                     "values outside are clamped, and no prediction lies outside"));
  }
}

void TableData::add_examples(const PreparedData& prepared, const std::vector<int64_t>& rows,
                             OwnerFacts& page) const {
  constexpr int64_t kMostColumns = 8;
  const TableEncoder& encoder = static_cast<const TableDataset&>(*prepared.test).encoder();
  const Table& table = split_->test.table;
  const int64_t target = table.column(encoder.schema().target->name);
  std::vector<int64_t> columns;
  for (int64_t column = 0; column < table.columns() && static_cast<int64_t>(columns.size()) < kMostColumns;
       ++column) {
    if (column != target) columns.push_back(column);
  }
  for (const int64_t column : columns) page.example_columns.push_back(table.names()[column]);
  for (const int64_t row : rows) {
    ExampleRow example;
    example.truth = table.cell(row, target);
    for (const int64_t column : columns) example.cells.emplace_back(table.cell(row, column));
    page.rows.push_back(std::move(example));
  }
}

}  // namespace

std::unique_ptr<PrivateData> make_table_data(const TrainJob& job, Table table, const std::string& split_key) {
  return std::make_unique<TableData>(job, std::move(table), split_key);
}

}  // namespace discreet
