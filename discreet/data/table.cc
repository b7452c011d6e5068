#include "discreet/data/table.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <sstream>
#include <unordered_map>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/data/cell.h"
#include "discreet/data/csv_reader.h"

namespace discreet {
namespace {

constexpr std::array<char, 4> kSeparators = {',', ';', '\t', '|'};

char separator_of(const std::string& names) {
  std::array<int64_t, kSeparators.size()> counts{};
  bool quoted = false;
  for (char c : names) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    for (size_t i = 0; i < kSeparators.size(); ++i) counts[i] += c == kSeparators[i];
  }
  return kSeparators[static_cast<size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
}

bool is_value(std::string_view text) {
  const CellType type = parse_cell(text).type;
  return type == CellType::kNumber || type == CellType::kDate ||
         (type == CellType::kMissing && !text.empty());
}

// Some field is a value, or is nothing but values with spaces between them (a file with spaces for
// separators).
bool looks_like_a_record(const std::vector<std::string>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const std::string& field) {
    if (is_value(field)) return true;
    std::istringstream words(field);
    int64_t values = 0, others = 0;
    for (std::string word; words >> word;) (is_value(word) ? values : others) += 1;
    return values > 1 && others == 0;
  });
}

std::string column_name(size_t index) {
  return "column" + std::to_string(index + 1);
}

// Names of the first line. Messages give positions: the line might be a record after all.
std::vector<std::string> checked_names(const std::string& file, std::vector<std::string> fields) {
  std::unordered_map<std::string, size_t> seen;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].empty()) fields[i] = column_name(i);
    const auto [other, is_new] = seen.emplace(fields[i], i);
    if (!is_new) {
      throw Error(ErrorKind::kInvalidArgument,
                  file + ": columns " + std::to_string(other->second + 1) + " and " + std::to_string(i + 1) +
                      " have the same name in the first line; rename one, or say --header no if the first "
                      "line is a record");
    }
  }
  return fields;
}

}  // namespace

Table::Table(std::filesystem::path source, std::vector<std::string> names)
    : source_(std::move(source)), names_(std::move(names)), cells_(names_.size()) {}

std::string_view Table::cell(int64_t row, int64_t column) const {
  const Column& cells = cells_.at(static_cast<size_t>(column));
  const auto index = static_cast<size_t>(row);
  const uint64_t start = index == 0 ? 0 : cells.ends.at(index - 1);
  return std::string_view(cells.bytes).substr(start, cells.ends.at(index) - start);
}

std::optional<int64_t> Table::find(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return found - names_.begin();
}

int64_t Table::column(std::string_view name) const {
  if (const auto found = find(name)) return *found;
  const std::string close = nearest(name, names_);
  std::string message = source_.string() + ": no column '" + std::string(name) + "'";
  if (!close.empty()) {
    message += "; did you mean '" + close + "'?";
  } else {
    message += "; the columns are:";
    for (size_t i = 0; i < names_.size() && i < 20; ++i) message += (i ? ", " : " ") + names_[i];
    if (names_.size() > 20) message += ", ...";
  }
  throw Error(ErrorKind::kNotFound, message);
}

void Table::append(const std::vector<std::string>& fields) {
  if (fields.size() != cells_.size()) {
    throw Error(ErrorKind::kInvalidArgument,
                source_.string() + ": a record has " + std::to_string(fields.size()) +
                    " fields where the table has " + std::to_string(cells_.size()) + " columns");
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    cells_[i].bytes += fields[i];
    cells_[i].ends.push_back(cells_[i].bytes.size());
  }
  ++rows_;
}

Table Table::select(const std::vector<int64_t>& rows) const {
  Table out(source_, names_);
  std::vector<std::string> fields(names_.size());
  for (int64_t row : rows) {
    for (size_t i = 0; i < fields.size(); ++i) fields[i] = cell(row, static_cast<int64_t>(i));
    out.append(fields);
  }
  return out;
}

Table read_table(const std::filesystem::path& path, const TableOptions& options) {
  const std::string file = path.string();
  if (options.separator &&
      std::find(kSeparators.begin(), kSeparators.end(), *options.separator) == kSeparators.end()) {
    throw Error(ErrorKind::kInvalidArgument, "separator: one of , ; tab | is allowed");
  }
  CsvReader reader(path);
  const bool has_names = options.header.value_or(true);
  const char separator = options.separator.value_or(has_names ? separator_of(reader.first_line()) : ',');

  std::optional<Table> table;
  int64_t row = 0;
  reader.read(separator, [&](const std::vector<std::string>& fields, int64_t line) {
    if (!table) {
      if (!has_names) {
        std::vector<std::string> names(fields.size());
        for (size_t i = 0; i < names.size(); ++i) names[i] = column_name(i);
        table.emplace(path, std::move(names));
      } else {
        if (!options.header && looks_like_a_record(fields)) {
          throw Error(ErrorKind::kInvalidArgument, file +
                                                       ": the first line looks like a record, not like "
                                                       "column names; say --header yes or --header no");
        }
        table.emplace(path, checked_names(file, fields));
        return;
      }
    }
    ++row;
    if (static_cast<int64_t>(fields.size()) != table->columns()) {
      throw Error(ErrorKind::kDataLoss, file + ": record " + std::to_string(row) + " (line " +
                                            std::to_string(line) + ") has " + std::to_string(fields.size()) +
                                            " fields where " + std::to_string(table->columns()) +
                                            " are expected");
    }
    table->append(fields);
  });
  if (row == 0)
    throw Error(ErrorKind::kDataLoss, file + ": there is no record below the line of column names");
  return std::move(*table);
}

void for_each_record(const Table& table, const std::function<void(std::string_view bytes)>& visit) {
  std::vector<size_t> order(table.names().size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return table.names()[a] < table.names()[b]; });
  std::string bytes;
  for (int64_t row = 0; row < table.rows(); ++row) {
    bytes.clear();
    for (size_t column : order) {
      bytes += table.names()[column];
      bytes += '=';
      bytes += table.cell(row, static_cast<int64_t>(column));
      bytes += '\n';
    }
    visit(bytes);
  }
}

}  // namespace discreet
