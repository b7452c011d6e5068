// A page: one HTML document with its style sheet inside. No script, no font, picture or style from elsewhere,
// so it opens offline, prints, and tells nobody that it was read (a Content-Security-Policy forbids it to).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "discreet/report/html.h"

namespace discreet {

enum class Tone { kPlain, kGood, kWarning };

// A number from a document, machine-readable beside the words: <data value="0.000012">1 in 83,333</data>.
Html number(double exact, std::string_view words);

Html paragraph(const Html& content);
Html paragraph(std::string_view words);
Html code(std::string_view words);
Html strong(std::string_view words);
Html strong(const Html& content);
Html list(const std::vector<Html>& items);
// A box that stands out; role="note", or "alert" for a warning. `title` may be empty.
Html notice(Tone tone, std::string_view title, const Html& content);
// A short word with a coloured edge, as in the status column of a table.
Html badge(Tone tone, std::string_view word);

struct KeyFact {
  std::string name;
  Html value, note;
};
Html key_facts(const std::vector<KeyFact>& facts);

struct TableColumn {
  std::string title;
  bool numeric = false;
};
// A table with a caption; the first cell of each row is its header. On a narrow screen, tables with `stack`
// turn each row into a small list with the columns' titles, the others scroll sideways.
Html table(std::string_view caption, const std::vector<TableColumn>& columns,
           const std::vector<std::vector<Html>>& rows, bool stack = true);
Html figure(const Html& drawing, const Html& caption);

class Page {
 public:
  // `eyebrow` stands small above the title.
  Page(std::string_view eyebrow, std::string_view title, const Html& lead);
  void add(const Html& content);  // before the first section
  void section(std::string_view id, std::string_view title, const Html& content);
  std::string html(const Html& footer) const;  // the whole document

 private:
  std::string title_;
  Html header_, body_;
};

}  // namespace discreet
