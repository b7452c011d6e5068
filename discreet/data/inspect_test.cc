// What the owner is shown and warned of, and what is refused before anything is charged.
#include "discreet/data/inspect.h"

#include "discreet/data/identifiers.h"
#include "discreet/data/preflight.h"
#include "discreet/data/test_files.h"

namespace discreet {
namespace {

Table people() {
  Table table("t.csv", {"patient_id", "contact", "note", "age", "country", "empty", "call", "income"});
  for (int i = 0; i < 40; ++i) {
    const auto text = std::to_string(i);
    table.append({"P" + std::to_string(i / 2), "u" + text + "@mail.example", "free text " + text,
                  i == 7 ? "inf" : std::to_string(20 + i % 5), "NL", "", "+31 6 555 01 " + text,
                  i % 4 ? "low" : "high"});
  }
  return table;
}

TEST(Identifiers, ByNameAndByContent) {
  const auto found = find_identifiers(people());
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].column, "patient_id");
  EXPECT_EQ(found[0].reason, "its name");
  EXPECT_TRUE(found[0].repeats);
  EXPECT_EQ(found[1].reason, "e-mail addresses");
  EXPECT_FALSE(found[1].repeats);
  EXPECT_EQ(found[2].reason, "a different text in (almost) every row");
  EXPECT_EQ(found[3].reason, "telephone numbers");
}

TEST(Identifiers, WordsInNames) {
  Table table("t.csv",
              {"userId", "SSN", "Last-Name", "national_id", "validity", "idea", "age", "occupation"});
  table.append({"1", "2", "x", "3", "4", "5", "6", "y"});
  std::vector<std::string> found;
  for (const auto& each : find_identifiers(table)) found.push_back(each.column);
  EXPECT_EQ(found, (std::vector<std::string>{"userId", "SSN", "Last-Name", "national_id"}));
}

TEST(Inspect, TableAsJsonAndText) {
  OpenedData data;
  data.table = people();
  const Json json = inspect(data, "income");
  EXPECT_EQ(json["rows"], 40);
  EXPECT_EQ(json["columns"][3]["type"], "number");
  EXPECT_EQ(json["columns"][3]["odd"], 1);
  EXPECT_EQ(json["columns"][3]["range"], Json({20.0, 24.0}));
  EXPECT_EQ(json["columns"][4]["constant"], true);
  EXPECT_EQ(json["columns"][5]["missing"], 40);
  EXPECT_EQ(json["classes"], Json({{"low", 30}, {"high", 10}}));
  const std::string text = inspection_text(json);
  EXPECT_NE(text.find("40 rows, 8 columns"), std::string::npos) << text;
  EXPECT_NE(text.find("protect the person with --unit patient_id"), std::string::npos) << text;
  EXPECT_NE(text.find("column 'empty' has no value in any row"), std::string::npos) << text;
  EXPECT_NE(text.find("column 'country' has one value only"), std::string::npos) << text;
  EXPECT_EQ(refusal([&] { inspect(data, "incom"); }),
            "not-found: t.csv: no column 'incom'; did you mean 'income'?");
}

TEST(Inspect, Images) {
  OpenedData data;
  data.kind = DataKind::kImageFolder;
  data.train = ImageDataset(torch::zeros({3, 1, 2, 4}, torch::kUInt8), {1, 0, 1}, {"cat", "dog"});
  const Json json = inspect(data);
  EXPECT_EQ(json["train"]["labels"], Json({{"cat", 1}, {"dog", 2}}));
  EXPECT_NE(inspection_text(json).find("training part: 3 images, 4x2 gray"), std::string::npos);
}

TEST(Preflight, WhatNoBudgetCanRepair) {
  const auto table = people();
  TableSchema declared;
  declared.target = TargetSchema{.name = "income"};
  const auto refused = [&] {
    return refusal([&] { check_table(table, declared.for_columns("t.csv", table.names())); });
  };
  EXPECT_EQ(refused(),
            "invalid-argument: t.csv: column 'empty' has no value in any row; remove it, or declare its kind "
            "as ignored");
  declared.columns.push_back({.name = "empty", .kind = ColumnKind::kIgnored});
  EXPECT_EQ(refused(), "");
  declared.target = TargetSchema{.name = "country"};
  EXPECT_EQ(refused(),
            "invalid-argument: t.csv: column 'country' is the target and has one value only; two or more "
            "are needed to learn from");
  declared.target = TargetSchema{.name = "income", .classes = {"low", "middle"}};
  EXPECT_EQ(refused(),
            "invalid-argument: t.csv: column 'income' is the target and has fewer than two of the declared "
            "classes in its rows");
  declared.columns.clear();
  declared.target = TargetSchema{.name = "empty"};
  EXPECT_EQ(refused(), "invalid-argument: t.csv: column 'empty' is the target and has no value in any row");
}

}  // namespace
}  // namespace discreet
