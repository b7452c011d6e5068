// Reads a page as a stranger would: an own small reader of tags, for the tests.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <vector>

namespace discreet::page_check {

// "" if every element closes where it must, attributes are quoted, ids are unique, references inside the page
// exist, every picture has words, and nothing is fetched or run; else what is wrong.
inline std::string problem(const std::string& page) {
  static const std::set<std::string> kVoid = {"br", "hr", "img", "meta"};
  std::vector<std::string> open;
  std::set<std::string> ids, references;
  for (size_t at = page.find("<!doctype html>") + 15; (at = page.find('<', at)) != std::string::npos;) {
    if (page[at + 1] == '/') {
      const size_t end = page.find('>', at);
      const std::string name = page.substr(at + 2, end - at - 2);
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
      at = end;
      continue;
    }
    size_t p = at + 1;
    while (p < page.size() && (std::isalnum(static_cast<unsigned char>(page[p])) || page[p] == '-')) ++p;
    const std::string name = page.substr(at + 1, p - at - 1);
    if (name.empty()) return "a bare < near " + page.substr(at, 30);
    if (name == "script" || name == "iframe" || name == "object" || name == "link" || name == "base")
      return "a " + name;
    bool closed_itself = false, has_words = false;
    while (p < page.size() && page[p] != '>') {
      if (std::isspace(static_cast<unsigned char>(page[p]))) {
        ++p;
      } else if (page[p] == '/') {
        closed_itself = true;
        ++p;
      } else {
        const size_t equals = page.find_first_of("= \t\n>/", p);
        const std::string attribute = page.substr(p, equals - p);
        if (page[equals] != '=') return "attribute " + attribute + " of " + name + " without a value";
        const char quote = page[equals + 1];
        if (quote != '"' && quote != '\'') return "attribute " + attribute + " without quotes";
        const size_t end = page.find(quote, equals + 2);
        const std::string value = page.substr(equals + 2, end - equals - 2);
        if (value.find('<') != std::string::npos) return "a < in attribute " + attribute;
        if (attribute.substr(0, 2) == "on" || attribute == "style") return "attribute " + attribute;
        if (attribute == "id" && !ids.insert(value).second) return "id " + value + " twice";
        if (attribute == "aria-labelledby") references.insert(value);
        if (attribute == "href" || attribute == "xlink:href") {
          if (value[0] != '#') return "a link to " + value;
          references.insert(value.substr(1));
        }
        if (attribute == "src" && value.substr(0, 22) != "data:image/png;base64,")
          return "a picture from " + value;
        if (attribute == "alt" || attribute == "aria-label") has_words = has_words || !value.empty();
        p = end + 1;
      }
    }
    if ((name == "img" || name == "svg") && !has_words) return "a picture without words";
    if (!closed_itself && kVoid.count(name) == 0) open.push_back(name);
    at = p;
  }
  if (!open.empty()) return open.back() + " is never closed";
  for (const std::string& reference : references) {
    if (ids.count(reference) == 0) return "nothing has the id " + reference;
  }
  for (const char* outside : {"@import", "url(", "http:", "https:"}) {
    if (page.find(outside) != std::string::npos) return std::string("mentions ") + outside;
  }
  return "";
}

// The exact values of all <data value="..."> with the words shown for them.
inline std::vector<std::pair<double, std::string>> numbers(const std::string& page) {
  std::vector<std::pair<double, std::string>> all;
  const std::string begin = "<data value=\"";
  for (size_t at = 0; (at = page.find(begin, at)) != std::string::npos;) {
    at += begin.size();
    const double value = std::stod(page.substr(at));
    const size_t words = page.find('>', at) + 1;
    all.push_back({value, page.substr(words, page.find('<', words) - words)});
  }
  return all;
}

}  // namespace discreet::page_check
