#include "discreet/report/page.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/report/page_check.h"

namespace discreet {
namespace {

const char kHostile[] = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";

TEST(Page, EveryPartTakesHostileWords) {
  Page page(kHostile, kHostile, text(kHostile));
  page.add(key_facts({{kHostile, text(kHostile), text(kHostile)}}));
  page.add(notice(Tone::kWarning, kHostile, paragraph(kHostile)));
  page.section(
      "one", kHostile,
      table(kHostile, {{kHostile}, {kHostile, true}}, {{code(kHostile), badge(Tone::kGood, kHostile)}}) +
          list({text(kHostile), strong(kHostile)}) + number(0.1, kHostile));
  const std::string html = page.html(paragraph(kHostile));
  EXPECT_EQ(page_check::problem(html), "");
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
}

TEST(Page, TheCheckerSeesWhatItIsFor) {
  const auto body = [](const std::string& words) {
    return page_check::problem("<!doctype html>\n<html><body>" + words + "</body></html>");
  };
  EXPECT_EQ(body("<p>fine</p>"), "");
  EXPECT_NE(body("<p><b>crossed</p></b>"), "");
  EXPECT_NE(body("<p>open"), "");
  EXPECT_NE(body("<script>x</script>"), "");
  EXPECT_NE(body("<p onclick=\"x\">x</p>"), "");
  EXPECT_NE(body("<img src=\"data:image/png;base64,AA\">"), "");
  EXPECT_NE(body("<img alt=\"x\" src=\"https://example.org/x.png\">"), "");
  EXPECT_NE(body("<a href=\"#nowhere\">x</a>"), "");
  EXPECT_NE(body("<i id=\"a\"></i><i id=\"a\"></i>"), "");
  EXPECT_NE(body("2 < 3"), "");
}

TEST(Page, NumbersCarryTheirExactValue) {
  const auto numbers = page_check::numbers(number(0.1 + 0.2, "0.3").markup());
  ASSERT_EQ(numbers.size(), 1u);
  EXPECT_EQ(numbers[0].first, 0.1 + 0.2);
  EXPECT_EQ(numbers[0].second, "0.3");
}

TEST(Page, ATablesRowsMustFit) {
  EXPECT_THROW(table("x", {{"a"}, {"b"}}, {{text("one")}}), Error);
}

}  // namespace
}  // namespace discreet
