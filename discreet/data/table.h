// A table as it stands in its file: every cell as text, stored column by column.
//
// What is decided here (separator, header) follows fixed rules on the first line, which holds column names:
// never on the private records below it. Column names and the number of columns are public.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace discreet {

struct TableOptions {
  // True: the first line holds column names. False: it is a record, and columns are called column1, column2,
  // ... Not declared: it holds names, and a first line that looks like a record (a field of it is a number, a
  // date or a missing value such as ?) is refused, so that a record never becomes a column name.
  std::optional<bool> header;
  // Not declared: with column names, the one of , ; TAB | that is most frequent in that line outside quotes
  // (the first of these at equality). Without them the comma: no record may decide.
  std::optional<char> separator;
};

class Table {
 public:
  Table(std::filesystem::path source, std::vector<std::string> names);

  const std::filesystem::path& source() const { return source_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return static_cast<int64_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }

  // Trimmed text of a cell; 0 <= row < rows(), 0 <= column < columns(). Lives as long as the table.
  std::string_view cell(int64_t row, int64_t column) const;

  std::optional<int64_t> find(std::string_view name) const;
  // kNotFound with the nearest name, where there is no such column.
  int64_t column(std::string_view name) const;

  // One field a column.
  void append(const std::vector<std::string>& fields);
  // The table of these rows, in this order.
  Table select(const std::vector<int64_t>& rows) const;

 private:
  struct Column {
    std::string bytes;           // all cells, one after another
    std::vector<uint64_t> ends;  // where each ends
  };
  std::filesystem::path source_;
  std::vector<std::string> names_;
  std::vector<Column> cells_;
  int64_t rows_ = 0;
};

// Reads a plain or gzip file. Only structure can be wrong, never a cell:
// kNotFound, kPermissionDenied; kDataLoss: an empty file, no records, a record with another number of fields,
// invalid UTF-8, a record over 1 MiB, an open quote, damaged gzip; kInvalidArgument: two columns of one name,
// a first line that looks like a record where the header is not declared, a separator that is not one of the
// four.
Table read_table(const std::filesystem::path& path, const TableOptions& options = {});

// Calls `visit` with the canonical bytes of each record: "name=value" lines by column name, so that they do
// not depend on the order of columns or rows, quotes or separator. For recognising a data set, never for
// release.
void for_each_record(const Table& table, const std::function<void(std::string_view bytes)>& visit);

}  // namespace discreet
