#include "discreet/data/cell.h"

#include <gtest/gtest.h>

namespace discreet {
namespace {

TEST(Cell, MissingWordsInAnyCapitals) {
  for (const char* text :
       {"", "?", "-", ".", "NA", "n/a", "#N/A", "<NA>", "NaN", "null", "None", "MISSING"}) {
    EXPECT_EQ(parse_cell(text).type, CellType::kMissing) << text;
    EXPECT_FALSE(parse_cell(text).odd) << text;
  }
}

TEST(Cell, OddNumbersCountAsMissing) {
  for (const char* text : {"inf", "-INF", "+Infinity", "1e999", "-1e999"}) {
    EXPECT_EQ(parse_cell(text).type, CellType::kMissing) << text;
    EXPECT_TRUE(parse_cell(text).odd) << text;
  }
}

TEST(Cell, Numbers) {
  const std::pair<const char*, double> cases[] = {
      {"0", 0},        {"-12", -12},  {"+3.5", 3.5},   {".5", 0.5},     {"5.", 5},
      {"1e-3", 0.001}, {"1E3", 1000}, {"-.25", -0.25}, {"1,234", 1234}, {"-1,234,567.5", -1234567.5}};
  for (const auto& [text, value] : cases) {
    EXPECT_EQ(parse_cell(text).type, CellType::kNumber) << text;
    EXPECT_EQ(parse_cell(text).value, value) << text;
  }
  for (const char* text :
       {"12a", "1,23", "1234,567", ",123", "1,,234", "0x10", "--1", "+-1", "1 2", "nan1", "1e", "+"}) {
    EXPECT_EQ(parse_cell(text).type, CellType::kText) << text;
  }
}

TEST(Cell, Dates) {
  const std::pair<const char*, double> cases[] = {{"1970-01-01", 0},
                                                  {"1970-01-02", 1},
                                                  {"2000/03/01", 11017},
                                                  {"01.03.2000", 11017},
                                                  {"03/01/2000", 11017},
                                                  {"1969-12-31", -1},
                                                  {"1970-01-01T12:00", 0.5},
                                                  {"1970-01-01 06:00:00.000Z", 0.25},
                                                  {"1970-01-01T18:00:00+02:00", 0.75}};
  for (const auto& [text, value] : cases) {
    EXPECT_EQ(parse_cell(text).type, CellType::kDate) << text;
    EXPECT_DOUBLE_EQ(parse_cell(text).value, value) << text;
  }
  for (const char* text :
       {"2001-02-29", "2000-13-01", "31/12/2000", "2000-1-1", "2000-01-01T25:00", "2000-01/01"}) {
    EXPECT_EQ(parse_cell(text).type, CellType::kText) << text;
  }
}

TEST(Cell, BooleansAndTexts) {
  EXPECT_EQ(parse_cell("Yes").type, CellType::kBoolean);
  EXPECT_EQ(parse_cell("Yes").value, 1);
  EXPECT_EQ(parse_cell("f").value, 0);
  for (const char* text : {"Male", "<=50K", "T-1", "no way", "São Paulo"}) {
    EXPECT_EQ(parse_cell(text).type, CellType::kText) << text;
  }
}

}  // namespace
}  // namespace discreet
