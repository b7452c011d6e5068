#include "discreet/data/schema.h"

#include "discreet/data/test_files.h"

namespace discreet {
namespace {

std::string refused(const char* json) {
  return refusal([&] { TableSchema::from_json(Json::parse(json)); });
}

TEST(Schema, JsonBothWays) {
  const char* text = R"({"columns": [
      {"name": "age", "kind": "numeric", "kind_source": "private", "knots": [17.0, 40.0, 90.0],
       "knots_source": "independent"},
      {"name": "job", "kind": "category", "buckets": 16}, {"name": "open"}],
      "target": {"name": "income", "kind": "classes", "classes": ["low", "high"], "classes_source": "private"},
      "unit": "person"})";
  const auto schema = TableSchema::from_json(Json::parse(text));
  EXPECT_FALSE(schema.complete());
  EXPECT_EQ(schema.columns[0].knots_source, Source::kIndependent);
  EXPECT_EQ(schema.columns[1].buckets, 16);
  EXPECT_EQ(schema.target->classes_source, Source::kPrivate);
  EXPECT_EQ(schema.unit_column, "person");
  const Json json = schema.to_json();
  EXPECT_EQ(TableSchema::from_json(json).to_json(), json);
  EXPECT_EQ(TableSchema::from_json(Json::parse(json.dump())).to_json(), json);
}

TEST(Schema, ShortForms) {
  const auto schema = TableSchema::from_json(
      Json::parse(R"({"columns": {"age": {"kind": "numeric", "range": [0, 80]}}, "target": "income"})"));
  EXPECT_EQ(schema.columns[0].knots, (std::vector<double>{0, 10, 20, 30, 40, 50, 60, 70, 80}));
  EXPECT_EQ(schema.target->name, "income");
  EXPECT_FALSE(schema.target->kind);
}

TEST(Schema, RefusesWithTheFieldAndWhatIsAllowed) {
  EXPECT_EQ(refused(R"({"columnz": []})"),
            "invalid-argument: schema: the file has an unknown key 'columnz'; did you mean 'columns'?");
  EXPECT_EQ(
      refused(R"({"columns": {"a": {"kind": "number"}}})"),
      "invalid-argument: schema: column 'a'.kind must be one of numeric, category, date, boolean, ignored");
  EXPECT_EQ(refused(R"({"columns": {"a": {"knots": [1, 1]}}})"),
            "invalid-argument: schema: column 'a'.knots must ascend");
  EXPECT_EQ(refused(R"({"columns": {"a": {"kind": "category", "knots": [1, 2]}}})"),
            "invalid-argument: schema: column 'a' has knots, which only numeric and date columns have");
  EXPECT_EQ(refused(R"({"columns": {"a": {"buckets": 0}}})"),
            "invalid-argument: schema: column 'a'.buckets must be a whole number from 1 to 65536");
  EXPECT_EQ(refused(R"({"columns": [{"name": "a"}, {"name": "a"}]})"),
            "invalid-argument: schema: column 'a' is declared twice");
  EXPECT_EQ(refused(R"({"target": {"name": "y", "classes": ["a"]}})"),
            "invalid-argument: schema: target.classes must be two or more texts");
  EXPECT_EQ(refused(R"({"target": {"name": "y", "classes": ["a", "a"]}})"),
            "invalid-argument: schema: target.classes must differ from each other");
  EXPECT_EQ(refused(R"({"target": {"name": "y", "kind": "regression", "classes": ["a", "b"]}})"),
            "invalid-argument: schema: target.classes belong to classes");
  EXPECT_EQ(refused(R"([1])"), "invalid-argument: schema: the file must be an object");
  EXPECT_EQ(refused(R"({"version": 2})"), "invalid-argument: schema: version must be 1");
}

TEST(Schema, ForTheColumnsOfATable) {
  auto declared = TableSchema::from_json(
      Json::parse(R"({"columns": {"b": {"kind": "category"}}, "target": "y", "unit": "person"})"));
  const auto schema = declared.for_columns("t.csv", {"a", "b", "person", "y"});
  ASSERT_EQ(schema.columns.size(), 2u);
  EXPECT_EQ(schema.columns[0].name, "a");
  EXPECT_FALSE(schema.columns[0].kind);
  EXPECT_EQ(schema.columns[1].kind, ColumnKind::kCategory);
  EXPECT_EQ(refusal([&] {
              declared.for_columns("t.csv", {"a", "b", "persons", "y"});
            }),
            "not-found: t.csv: no column 'person', which is declared as the unit of privacy; did you mean "
            "'persons'?");
  EXPECT_EQ(refusal([&] {
              declared.for_columns("t.csv", {"age", "person", "y"});
            }),
            "not-found: t.csv: no column 'b', which is declared as a feature; did you mean 'y'?");
  declared.unit_column = "y";
  EXPECT_EQ(refusal([&] {
              declared.for_columns("t.csv", {"a", "b", "y"});
            }),
            "invalid-argument: schema: column 'y' is both the target and the unit");
}

}  // namespace
}  // namespace discreet
