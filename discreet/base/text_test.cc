#include "discreet/base/text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

TEST(Nearest, FindsTheSlipOfAFinger) {
  const std::vector<std::string> names = {"income", "age", "occupation", "education"};
  EXPECT_EQ(nearest("incmoe", names), "income");
  EXPECT_EQ(nearest("Income", names), "income");
  EXPECT_EQ(nearest("ocupation", names), "occupation");
  EXPECT_EQ(nearest("eduction", names), "education");
  EXPECT_EQ(nearest("ag", names), "age");
  EXPECT_EQ(nearest("zzzzzz", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(FormatNumber, IsShort) {
  EXPECT_EQ(format_number(3), "3");
  EXPECT_EQ(format_number(2.99912), "2.999");
  EXPECT_EQ(format_number(1e-5), "1e-05");
  EXPECT_EQ(format_number(0.0125), "0.0125");
  EXPECT_EQ(format_number(60000, 6), "60000");
  EXPECT_EQ(format_number(INFINITY), "inf");
  EXPECT_EQ(format_number(NAN), "nan");
}

TEST(FormatDuration, HasAFittingUnit) {
  EXPECT_EQ(format_duration(0.3), "0.3 s");
  EXPECT_EQ(format_duration(9.97), "10 s");
  EXPECT_EQ(format_duration(59.7), "1 min 00 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(7800), "2 h 10 min");
  EXPECT_EQ(format_duration(4 * 86400 + 3 * 3600), "4 d 03 h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(NAN), "?");
  EXPECT_EQ(format_duration(INFINITY), "?");
}

TEST(Text, AWordOfACommandLine) {
  EXPECT_EQ(shell_word("patient_id"), "patient_id");
  EXPECT_EQ(shell_word("Ort-Nr.7"), "Ort-Nr.7");
  EXPECT_EQ(shell_word("Airport Name"), "'Airport Name'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace discreet
