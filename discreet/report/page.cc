#include "discreet/report/page.h"

#include <cstdio>

#include "discreet/base/error.h"
#include "discreet/report/style.h"

namespace discreet {
namespace {

std::string_view to_class(Tone tone) {
  switch (tone) {
    case Tone::kPlain: return "plain";
    case Tone::kGood: return "good";
    case Tone::kWarning: return "warning";
  }
  return "plain";
}

}  // namespace

Html number(double exact, std::string_view words) {
  char value[40];
  std::snprintf(value, sizeof(value), "%.17g", exact);
  return element("data", {{"value", value}}, text(words));
}

Html paragraph(const Html& content) {
  return element("p", content);
}
Html paragraph(std::string_view words) {
  return element("p", words);
}
Html code(std::string_view words) {
  return element("code", words);
}
Html strong(std::string_view words) {
  return element("strong", words);
}

Html strong(const Html& content) {
  return element("strong", content);
}

Html list(const std::vector<Html>& items) {
  Html all;
  for (const Html& item : items) all += element("li", item);
  return element("ul", all);
}

Html notice(Tone tone, std::string_view title, const Html& content) {
  const Html heading = title.empty() ? Html() : element("p", {{"class", "notice-title"}}, text(title));
  return element("div",
                 {{"class", "notice " + std::string(to_class(tone))},
                  {"role", tone == Tone::kWarning ? "alert" : "note"}},
                 heading + content);
}

Html badge(Tone tone, std::string_view word) {
  return element("span", {{"class", "badge " + std::string(to_class(tone))}}, text(word));
}

Html key_facts(const std::vector<KeyFact>& facts) {
  Html all;
  for (const KeyFact& fact : facts) {
    all += element("div", element("dt", fact.name) + element("dd", {{"class", "value"}}, fact.value) +
                              element("dd", {{"class", "note"}}, fact.note));
  }
  return element("dl", {{"class", "key-facts"}}, all);
}

Html table(std::string_view caption, const std::vector<TableColumn>& columns,
           const std::vector<std::vector<Html>>& rows, bool stack) {
  Html titles;
  for (const TableColumn& column : columns) {
    titles += element("th", {{"scope", "col"}, {"class", column.numeric ? "numeric" : "words"}},
                      text(column.title));
  }
  Html body;
  for (const std::vector<Html>& row : rows) {
    if (row.size() != columns.size())
      throw Error(ErrorKind::kInvalidArgument, "a table's row has too few or many cells");
    Html cells;
    for (size_t i = 0; i < row.size(); ++i) {
      Attributes attributes = {{"class", columns[i].numeric ? "numeric" : "words"},
                               {"data-title", columns[i].title}};
      if (i == 0) attributes.push_back({"scope", "row"});
      cells += element(i == 0 ? "th" : "td", attributes, row[i]);
    }
    body += element("tr", cells);
  }
  const Html whole =
      element("table", {{"class", stack ? "stack" : "wide"}},
              element("caption", caption) + element("thead", element("tr", titles)) + element("tbody", body));
  return element(
      "div",
      {{"class", "table"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", std::string(caption)}},
      whole);
}

Html figure(const Html& drawing, const Html& caption) {
  return element("figure", drawing + element("figcaption", caption));
}

Page::Page(std::string_view eyebrow, std::string_view title, const Html& lead) : title_(title) {
  header_ = element("header", element("p", {{"class", "eyebrow"}}, text(eyebrow)) + element("h1", title) +
                                  element("p", {{"class", "lead"}}, lead));
}

void Page::add(const Html& content) {
  body_ += content;
}

void Page::section(std::string_view id, std::string_view title, const Html& content) {
  body_ += element("section", {{"id", std::string(id)}, {"aria-labelledby", std::string(id) + "-title"}},
                   element("h2", {{"id", std::string(id) + "-title"}}, text(title)) + content);
}

std::string Page::html(const Html& footer) const {
  const Html head =
      element("meta", Attributes{{"charset", "utf-8"}}) +
      element("meta", {{"http-equiv", "Content-Security-Policy"},
                       {"content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}}) +
      element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
      element("meta", {{"name", "color-scheme"}, {"content", "light dark"}}) +
      element("meta", {{"name", "robots"}, {"content", "noindex"}}) + element("title", title_) +
      element("style", own_markup(std::string(kStyleSheet)));
  const Html body = element("a", {{"class", "skip"}, {"href", "#content"}}, text("Skip to the content")) +
                    element("main", {{"id", "content"}}, header_ + body_) + element("footer", footer);
  return "<!doctype html>\n" +
         element("html", {{"lang", "en"}}, element("head", head) + element("body", body)).markup() + "\n";
}

}  // namespace discreet
