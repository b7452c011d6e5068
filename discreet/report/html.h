// Html: a well-formed piece of a page. Text is escaped when it enters, tags close because elements nest,
// so a hostile class or column name stays text whatever it contains.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace discreet {

// The five characters that mean something to HTML become references; control characters and bytes that
// are not UTF-8 become U+FFFD. Fit for text and for double-quoted attributes.
std::string escape_html(std::string_view text);

class Html {
 public:
  Html() = default;
  const std::string& markup() const { return markup_; }
  Html& operator+=(const Html& next) {
    markup_ += next.markup_;
    return *this;
  }
  friend Html operator+(Html left, const Html& right) { return left += right; }

 private:
  explicit Html(std::string markup) : markup_(std::move(markup)) {}
  friend Html text(std::string_view);
  friend Html element(std::string_view, std::vector<std::pair<std::string, std::string>>, const Html&);
  friend Html own_markup(std::string);
  std::string markup_;
};

using Attributes = std::vector<std::pair<std::string, std::string>>;  // names are ours, values are escaped

Html text(std::string_view words);
// <tag attributes>children</tag>; br, hr, img and meta have no end tag and take no children.
// Throws kInvalidArgument for a tag or attribute name that is not lower-case letters, digits and hyphens.
Html element(std::string_view tag, Attributes attributes, const Html& children = {});
Html element(std::string_view tag, const Html& children);
Html element(std::string_view tag, std::string_view words);
// Markup that this room's own code made (a drawing from gnuplot). Never pass anything that came from data.
Html own_markup(std::string markup);

}  // namespace discreet
