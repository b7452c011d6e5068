#include "discreet/report/html.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

TEST(Html, EscapesWhatMeansSomethingToHtml) {
  EXPECT_EQ(escape_html("<script>alert(\"x\" & 'y')</script>"),
            "&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;");
  EXPECT_EQ(escape_html("naïve – 漢字 🩺"), "naïve – 漢字 🩺");
}

TEST(Html, BytesThatAreNotTextBecomeTheReplacementCharacter) {
  EXPECT_EQ(escape_html(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(escape_html("\x1B[2J"), "\uFFFD[2J");
  EXPECT_EQ(escape_html("\xC0\xAF"), "\uFFFD\uFFFD");            // overlong "/"
  EXPECT_EQ(escape_html("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(escape_html("\xE6\xBC"), "\uFFFD\uFFFD");            // cut off
  EXPECT_EQ(escape_html("\xC3<b>"), "\uFFFD&lt;b&gt;");          // must not swallow the bracket
}

TEST(Html, ElementsNestAndEscapeAttributes) {
  const Html html = element("p", {{"title", "a \"quoted\" <name>"}}, text("1 < 2") + element("br", Html()));
  EXPECT_EQ(html.markup(), "<p title=\"a &quot;quoted&quot; &lt;name&gt;\">1 &lt; 2<br></p>");
}

TEST(Html, NamesOfTagsAndAttributesAreOurs) {
  EXPECT_THROW(element("p onclick", "x"), Error);
  EXPECT_THROW(element("", "x"), Error);
  EXPECT_THROW(element("p", Attributes{{"a=b", "c"}}, Html()), Error);
  EXPECT_THROW(element("img", text("content")), Error);
}

}  // namespace
}  // namespace discreet
