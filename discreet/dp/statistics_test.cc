#include "discreet/dp/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/sampling.h"

namespace discreet {
namespace {

using Rows = std::vector<std::vector<std::string>>;

const std::vector<std::string> kNames = {"a", "b", "y"};

TablePart part(const Rows& rows, std::vector<int64_t> units = {}) {
  Table table("t.csv", kNames);
  for (const auto& row : rows) table.append(row);
  return {std::move(table), std::move(units)};
}

TableSchema open_schema() {
  TableSchema schema;
  schema.target = TargetSchema{.name = "y"};
  return schema.for_columns("t.csv", kNames);
}

StatisticsBudget budget(Relation relation = Relation::kAddOrRemoveOne, double noise_multiplier = 10) {
  return {relation, noise_multiplier, 1e-6};
}

double squared_distance(const CountVector& a, const CountVector& b) {
  double sum = 0;
  const auto add = [&](const auto& left, const auto& right, bool both) {
    for (const auto& [key, count] : left) {
      const auto other = right.find(key);
      if (other != right.end() && both) continue;
      const auto difference = static_cast<double>(count - (other == right.end() ? 0 : other->second));
      sum += difference * difference;
    }
  };
  add(a.cells, b.cells, false);
  add(b.cells, a.cells, true);
  add(a.values, b.values, false);
  add(b.values, a.values, true);
  return sum;
}

// Every odd cell that a record can have: each type, an outlier, a new category, nothing.
const std::vector<std::string> kOdd = {"",           "1",          "-1e300", "1e999", "nan",
                                       "2020-01-01", "0001-01-01", "true",   "young", "no",
                                       "0",          "1e-300",     "x,y",    "1,000"};

const Rows kBase = {{"1", "red", "yes"}, {"2", "blue", "no"}, {"2000-01-01", "?", "yes"}, {"", "1", "7"}};

std::vector<std::vector<std::string>> odd_records() {
  Rows out;
  for (const auto& a : kOdd) {
    for (const auto& b : kOdd) {
      for (const auto& y : kOdd) out.push_back({a, b, y});
    }
  }
  return out;
}

std::vector<TableSchema> declarations() {
  std::vector<TableSchema> out = {open_schema()};
  for (const char* json :
       {R"({"columns": {"a": {"kind": "numeric"}, "b": {"kind": "category"}}, "target": "y"})",
        R"({"columns": {"a": {"range": [0, 1]}}, "target": {"name": "y", "kind": "regression"}})",
        R"({"target": {"name": "y", "kind": "classes"}})",
        R"({"target": {"name": "y", "classes": ["yes", "no"]}})", "{}"}) {
    out.push_back(TableSchema::from_json(Json::parse(json)).for_columns("t.csv", kNames));
  }
  return out;
}

// One more record, whatever is in it, moves the vector by at most the stated sensitivity, and some record by
// exactly that much (so the statement is tight).
TEST(Sensitivity, AddOneRecordOfAnyKind) {
  auto random = RandomStream::for_tests(1);
  for (const auto& schema : declarations()) {
    for (const std::optional<double> units : {std::optional<double>(), std::optional<double>(100)}) {
      const TableStatistics statistics(schema, units, budget());
      const auto before = statistics.count(part(kBase), random);
      double most = 0;
      for (const auto& record : odd_records()) {
        Rows more = kBase;
        more.push_back(record);
        most = std::max(most, squared_distance(before, statistics.count(part(more), random)));
      }
      EXPECT_EQ(most, statistics.mechanism().squared_sensitivity()) << schema.to_json();
    }
  }
}

TEST(Sensitivity, ReplaceOneRecordByAnyOther) {
  auto random = RandomStream::for_tests(1);
  const TableStatistics statistics(open_schema(), {}, budget(Relation::kReplaceOne));
  double most = 0;
  Rows kinds;
  for (const char* cell : {"", "5", "-1e300", "2020-01-01", "true", "text"})
    kinds.push_back({cell, cell, cell});
  for (const auto& left : kinds) {
    for (const auto& right : kinds) {
      Rows with_left = kBase, with_right = kBase;
      with_left.push_back(left);
      with_right.push_back(right);
      most = std::max(most, squared_distance(statistics.count(part(with_left), random),
                                             statistics.count(part(with_right), random)));
    }
  }
  EXPECT_EQ(most, 2 * statistics.mechanism().squared_sensitivity());
  // The accountant takes the distance of neighbours to be at most 2 C, C = stddev / noise_multiplier.
  EXPECT_LE(std::sqrt(most), 2 * statistics.mechanism().stddev() / 10);
  EXPECT_NEAR(std::sqrt(most), 2 * statistics.mechanism().stddev() / 10, 1e-3);
}

// A person with 50 odd rows moves the vector no further than one row, under whichever row is chosen.
TEST(Sensitivity, AddOneUnitOfManyRows) {
  const TableStatistics statistics(open_schema(), {}, budget());
  Rows more = kBase;
  std::vector<int64_t> units = {0, 1, 2, 3};
  for (int i = 0; i < 50; ++i) {
    more.push_back({std::to_string(i), "9", "new" + std::to_string(i)});
    units.push_back(4);
  }
  auto random = RandomStream::for_tests(1);
  const auto before = statistics.count(part(kBase, {0, 1, 2, 3}), random);
  std::set<std::string> chosen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto choice = RandomStream::for_tests(seed);
    const auto after = statistics.count(part(more, units), choice);
    EXPECT_LE(squared_distance(before, after), statistics.mechanism().squared_sensitivity());
    for (const auto& [value, count] : after.values) chosen.insert(value);
  }
  EXPECT_GT(chosen.size(), 40u) << "any of the rows may be the one";
}

TEST(Sensitivity, WhatIsDeclaredIsLeftOut) {
  const auto all = TableSchema::from_json(Json::parse(
      R"({"columns": {"a": {"kind": "numeric", "range": [0, 1]}, "b": {"kind": "category"}},
          "target": {"name": "y", "classes": ["yes", "no"]}})"));
  const TableStatistics none(all.for_columns("t.csv", kNames), 100, {Relation::kAddOrRemoveOne, 0, 0});
  EXPECT_FALSE(none.mechanism().needed());
  EXPECT_EQ(none.mechanism().event(), Event::composed({}));
  auto random = RandomStream::for_tests(1);
  const auto facts = none.estimate(part(kBase), random);
  EXPECT_EQ(facts.units, 100);
  EXPECT_EQ(facts.units_source, Source::kDeclared);
  EXPECT_EQ(facts.schema.to_json(), all.for_columns("t.csv", kNames).to_json());
  const TableStatistics count(all.for_columns("t.csv", kNames), {}, budget());
  EXPECT_EQ(count.mechanism().squared_sensitivity(), kCountWeight * kCountWeight);
  EXPECT_FALSE(count.mechanism().selects_values());
  // Under replace-one the number of units is public.
  const TableStatistics replace(all.for_columns("t.csv", kNames), {}, {Relation::kReplaceOne, 0, 0});
  EXPECT_FALSE(replace.mechanism().needed());
  EXPECT_EQ(replace.estimate(part(kBase), random).units, 4);
}

TEST(Mechanism, NoiseIsOnTheGridAndNeverBelowWhatIsCharged) {
  for (double multiplier : {0.3, 1.0, 41.0023, 1e4}) {
    for (int64_t squared : {1, 2, 95, 125}) {
      const CountMechanism mechanism({Relation::kAddOrRemoveOne, multiplier, 1e-6}, squared, true);
      EXPECT_EQ(mechanism.stddev() * 1024, std::floor(mechanism.stddev() * 1024));
      EXPECT_GE(mechanism.stddev() / std::sqrt(static_cast<double>(squared)), multiplier);
      EXPECT_EQ(mechanism.event(),
                Event::composed({Event::discrete_gaussian(multiplier), Event::epsilon_delta(0, 1e-6)}));
    }
  }
  EXPECT_THROW(CountMechanism({Relation::kAddOrRemoveOne, 0, 1e-6}, 1, false), Error);
  EXPECT_THROW(CountMechanism({Relation::kAddOrRemoveOne, 1, 0}, 1, true), Error);
}

// The bound against the exact tail, summed from the far end.
TEST(Selection, MarginIsTheSmallestThatKeepsDelta) {
  for (double stddev : {0.5, 1.0, 3.25, 40.0, 400.0}) {
    double total = 0;
    const auto weight = [&](int64_t x) {
      return std::exp(-static_cast<double>(x) * static_cast<double>(x) / (2 * stddev * stddev));
    };
    const auto far = static_cast<int64_t>(40 * stddev) + 1;
    for (int64_t x = -far; x <= far; ++x) total += weight(x);
    for (double delta : {0.2, 1e-3, 1e-6, 1e-10}) {
      const int64_t margin = selection_margin(stddev, delta);
      double tail = 0;
      for (int64_t x = far; x >= margin; --x) tail += weight(x);
      EXPECT_LE(tail / total, delta) << stddev << " " << delta;
      tail = 0;
      for (int64_t x = far; x >= margin - 2; --x) tail += weight(x);
      EXPECT_GT(tail / total, delta) << stddev << " " << delta << ": not needlessly large";
    }
  }
}

// How often a value that one unit alone has is released: 20,000 trials at delta 0.01, expected at most 200,
// standard deviation 14; beyond 5 of these: 3e-7 (and the seed is fixed). Also not far below: the noise is
// the one charged.
TEST(Selection, ALoneValueIsReleasedAsRarelyAsCharged) {
  const CountMechanism mechanism({Relation::kAddOrRemoveOne, 1.5, 0.01}, 20, true);
  CountVector vector;
  vector.values["only one person has this"] = kTargetWeight;
  auto random = RandomStream::for_tests(11);
  int released = 0;
  for (int i = 0; i < 20000; ++i) {
    released += !NoisyCounts(vector, mechanism, random).take_selected_values().empty();
  }
  EXPECT_LE(released, 270);
  EXPECT_GE(released, 100);
}

// The multiplier with which the statistics cost epsilon at delta, half of delta for the threshold.
StatisticsBudget budget_for(double epsilon, double delta) {
  double low = 0.01, high = 1e6;
  while (high / low > 1.0001) {
    const double middle = std::sqrt(low * high);
    const auto event =
        Event::composed({Event::discrete_gaussian(middle), Event::epsilon_delta(0, delta / 2)});
    (rdp_epsilon(event, Relation::kAddOrRemoveOne, delta) > epsilon ? low : high) = middle;
  }
  return {Relation::kAddOrRemoveOne, high, delta / 2};
}

// A made-up census: numbers with a common 0, dates, booleans, rare and common categories.
TablePart census(int rows, uint64_t seed, const std::vector<std::string>& extra = {}) {
  Table table("census.csv", {"age", "gain", "since", "member", "city", "income", "score"});
  auto random = RandomStream::for_tests(seed);
  const auto below = [&](uint64_t n) { return uniform_below(random, n); };
  for (int i = 0; i < rows; ++i) {
    const auto age = 18 + below(30) + below(40);
    table.append({std::to_string(age), below(10) ? "0" : std::to_string(1000 + below(9000)),
                  "20" + std::to_string(10 + below(10)) + "-0" + std::to_string(1 + below(9)) + "-15",
                  below(3) ? "yes" : "no",
                  below(50) ? "city" + std::to_string(below(5)) : "village" + std::to_string(i),
                  below(4) ? "low" : "high", std::to_string(static_cast<double>(below(1000000)) / 1000)});
  }
  if (!extra.empty()) table.append(extra);
  return {std::move(table), {}};
}

TableSchema census_schema(const std::string& target) {
  TableSchema schema;
  schema.target = TargetSchema{.name = target};
  return schema.for_columns("census.csv", {"age", "gain", "since", "member", "city", "income", "score"});
}

TEST(Facts, KindsKnotsAndClassesOfACensus) {
  const auto data = census(20000, 1);
  const TableStatistics statistics(census_schema("income"), {}, budget_for(0.1, 1e-6));
  auto random = RandomStream::for_tests(2);
  const auto facts = statistics.estimate(data, random);
  EXPECT_TRUE(facts.warnings.empty()) << facts.to_json();
  EXPECT_TRUE(facts.schema.complete());
  EXPECT_NEAR(facts.units, 20000, 5 * facts.stddev / kCountWeight);
  const ColumnKind kinds[] = {ColumnKind::kNumeric, ColumnKind::kNumeric,  ColumnKind::kDate,
                              ColumnKind::kBoolean, ColumnKind::kCategory, ColumnKind::kNumeric};
  for (size_t i = 0; i < std::size(kinds); ++i) EXPECT_EQ(facts.schema.columns[i].kind, kinds[i]) << i;
  EXPECT_GE(facts.schema.columns[0].knots.size(), 6u);
  EXPECT_EQ(facts.schema.columns[1].knots[0], 0);
  EXPECT_EQ(facts.schema.target->classes, (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(TableFacts::from_json(Json::parse(facts.to_json().dump())).to_json(), facts.to_json());
}

TEST(Facts, RegressionWhereTheTargetIsANumber) {
  const TableStatistics statistics(census_schema("score"), {}, budget_for(0.1, 1e-6));
  auto random = RandomStream::for_tests(3);
  const auto target = *statistics.estimate(census(20000, 1), random).schema.target;
  EXPECT_EQ(target.kind, TargetKind::kRegression);
  EXPECT_NEAR(target.range->first, 0, 150);
  EXPECT_NEAR(target.range->second, 1000, 150);
}

// 465 rows whose target hardly repeats, at a budget at which it is not clear that they are numbers: no class
// can be released, and the same noisy counts show where the numbers are, or the refusal says both ways out.
TEST(Facts, ASmallTableOfNumbersIsARegressionOrSaysWhatToDeclare) {
  Table table("t.csv", kNames);
  auto random = RandomStream::for_tests(6);
  for (int i = 0; i < 465; ++i) {
    table.append({"x", "y", std::to_string(1100 + uniform_below(random, 9000000) / 10000.0)});
  }
  const TablePart data{std::move(table), {}};
  int found = 0, refused = 0;
  for (const double epsilon : {0.05, 0.3, 1.0}) {
    const TableStatistics statistics(open_schema(), {}, budget_for(epsilon, 1e-6));
    for (int i = 0; i < 50; ++i) {
      try {
        const auto facts = statistics.estimate(data, random);
        EXPECT_EQ(facts.schema.target->kind, TargetKind::kRegression);
        EXPECT_LT(facts.schema.target->range->first, 1550);
        EXPECT_GT(facts.schema.target->range->second, 1550);
        EXPECT_LT(facts.schema.target->range->second, 10000);
        EXPECT_THAT(facts.warnings.back(),
                    testing::StartsWith("the target 'y' is taken as a number (regression) between "));
        EXPECT_THAT(facts.warnings.back(),
                    testing::EndsWith("; declare its kind (classes or regression) in a schema to choose"));
        ++found;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
        EXPECT_THAT(error.what(), testing::HasSubstr("regression with a range or classes with their names"));
        ++refused;
      }
    }
  }
  EXPECT_GE(found, 45);    // nearly all at epsilon 1
  EXPECT_GE(refused, 45);  // nearly all at epsilon 0.05
}

TEST(Facts, FewNumbersAreClassesAndThatIsSaid) {
  Table table("t.csv", kNames);
  for (int i = 0; i < 5000; ++i) table.append({"x", "y", std::to_string(i % 3)});
  auto random = RandomStream::for_tests(7);
  const TablePart data{std::move(table), {}};
  const auto facts = TableStatistics(open_schema(), {}, budget_for(1, 1e-6)).estimate(data, random);
  EXPECT_EQ(facts.schema.target->classes, (std::vector<std::string>{"0", "1", "2"}));
  ASSERT_EQ(facts.warnings.size(), 1u);
  EXPECT_EQ(
      facts.warnings[0],
      "the target 'y' holds numbers and is taken as 3 classes; declare its kind (classes or regression) in a "
      "schema to choose");
  auto declared = open_schema();
  declared.target->kind = TargetKind::kClasses;
  EXPECT_TRUE(TableStatistics(declared, {}, budget_for(1, 1e-6)).estimate(data, random).warnings.empty());
}

// A neighbour with one odd record leads to the same facts for the same noise, up to that noise: a count
// differs by 1 where the noise has a standard deviation of hundreds.
TEST(Facts, OneOddRecordChangesNoDecision) {
  const auto budget_small = budget_for(0.1, 1e-6);
  const TableStatistics statistics(census_schema("income"), {}, budget_small);
  auto random = RandomStream::for_tests(4);
  const auto facts = statistics.estimate(census(20000, 1), random);
  for (const char* cell : {"1e300", "never seen before", "2079-01-01", "", "inf", "true"}) {
    auto same = RandomStream::for_tests(4);
    const auto neighbour = statistics.estimate(census(20000, 1, std::vector<std::string>(7, cell)), same);
    EXPECT_EQ(neighbour.schema.target->classes, facts.schema.target->classes) << cell;
    for (size_t i = 0; i < facts.schema.columns.size(); ++i) {
      EXPECT_EQ(neighbour.schema.columns[i].kind, facts.schema.columns[i].kind) << cell;
    }
    EXPECT_NEAR(neighbour.units, facts.units, 1.001);
  }
}

// Too little data for the budget: fixed defaults and one warning each, or a request to declare; never a
// silent guess.
TEST(Facts, TooLittleDataIsSaid) {
  const TableStatistics statistics(census_schema("income"), {}, budget_for(0.1, 1e-6));
  auto random = RandomStream::for_tests(5);
  try {
    statistics.estimate(census(100, 1), random);
    ADD_FAILURE() << "classes of 100 rows at epsilon 0.1";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(
        std::string(error.what()),
        "target 'income': 0 class(es) are frequent enough to be released at this budget, two are needed, "
        "and the noise is too large to tell the range of a number; declare in a schema its kind, "
        "regression with a range or classes with their names, or give the statistics more budget");
  }
  auto declared = census_schema("income");
  declared.target->kind = TargetKind::kClasses;
  declared.target->classes = {"low", "high"};
  declared.columns[0].kind = ColumnKind::kNumeric;
  const auto facts = TableStatistics(declared, {}, budget_for(0.1, 1e-6)).estimate(census(100, 1), random);
  EXPECT_TRUE(facts.schema.complete());
  EXPECT_GE(facts.warnings.size(), 5u);
  EXPECT_EQ(facts.schema.columns[0].knots_source, Source::kIndependent);
  EXPECT_GE(facts.units, 1);
}

// UCI Adult, where $DISCREET_ADULT names its file: sensible kinds for all columns, both classes, useful
// knots.
TEST(Facts, Adult) {
  const char* path = std::getenv("DISCREET_ADULT");
  if (path == nullptr) GTEST_SKIP() << "set DISCREET_ADULT to adult.csv.gz";
  const TablePart data{read_table(path), {}};
  TableSchema declared;
  declared.target = TargetSchema{.name = "Salary"};
  const TableStatistics statistics(declared.for_columns(path, data.table.names()), {}, budget_for(0.1, 1e-6));
  double worst = 0, sum = 0;
  int knots = 0;
  for (int run = 0; run < 10; ++run) {
    auto random = RandomStream::from_kernel();
    const auto facts = statistics.estimate(data, random);
    EXPECT_TRUE(facts.warnings.empty()) << facts.to_json();
    EXPECT_NEAR(facts.units, 32561, 5 * facts.stddev / kCountWeight);
    EXPECT_EQ(facts.schema.target->classes, (std::vector<std::string>{"<=50K", ">50K"}));
    const std::set<std::string> numeric = {"age",          "fnlwgt",       "education-num",
                                           "capital-gain", "capital-loss", "hours-per-week"};
    for (const auto& column : facts.schema.columns) {
      EXPECT_EQ(column.kind, numeric.count(column.name) ? ColumnKind::kNumeric : ColumnKind::kCategory)
          << column.name;
    }
    // Ranks of the inner knots of fnlwgt, which has no ties to speak of, against equal shares.
    std::vector<double> values;
    for (int64_t row = 0; row < data.table.rows(); ++row) {
      values.push_back(std::stod(std::string(data.table.cell(row, data.table.column("fnlwgt")))));
    }
    const auto& found = facts.schema.find("fnlwgt")->knots;
    for (size_t i = 1; i + 1 < found.size(); ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(found.size() - 1);
      const auto below = std::count_if(values.begin(), values.end(), [&](double v) { return v < found[i]; });
      const double error = std::abs(static_cast<double>(below) / static_cast<double>(values.size()) - share);
      worst = std::max(worst, error);
      sum += error;
      ++knots;
    }
  }
  RecordProperty("mean_rank_error", std::to_string(sum / knots));
  RecordProperty("worst_rank_error", std::to_string(worst));
  std::printf("rank error of fnlwgt's knots: mean %.4f, worst %.4f\n", sum / knots, worst);
  EXPECT_LT(sum / knots, 0.05);
}

}  // namespace
}  // namespace discreet
