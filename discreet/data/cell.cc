#include "discreet/data/cell.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>

namespace discreet {
namespace {

constexpr std::array<std::string_view, 11> kMissingWords = {"?",    "-",   ".",    "na",   "n/a",    "#n/a",
                                                            "<na>", "nan", "null", "none", "missing"};
constexpr std::array<std::string_view, 6> kInfinite = {"inf",      "+inf",      "-inf",
                                                       "infinity", "+infinity", "-infinity"};
constexpr size_t kLongestWord = 9;  // "+infinity"

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

template <size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  for (auto each : words) {
    if (each == word) return true;
  }
  return false;
}

// Removes the commas of 1,234,567.8; nullopt where they do not stand at every third digit.
std::optional<std::string> without_thousands(std::string_view text) {
  std::string out;
  const size_t start = (text[0] == '-' || text[0] == '+') ? 1 : 0;
  out.append(text.substr(0, start));
  const size_t whole_end = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(start, whole_end - start);
  size_t group = 0;
  bool seen_comma = false;
  for (char c : whole) {
    if (c == ',') {
      if (group == 0 || group > 3 || (seen_comma && group != 3)) return std::nullopt;
      seen_comma = true;
      group = 0;
    } else if (is_digit(c)) {
      out.push_back(c);
      ++group;
    } else {
      return std::nullopt;
    }
  }
  if (!seen_comma || group != 3) return std::nullopt;
  out.append(text.substr(whole_end));
  return out;
}

// Nullopt: not a number at all. An overflow is a number that is not finite.
std::optional<double> parse_number(std::string_view text) {
  std::string plain;
  if (text.find(',') != std::string_view::npos) {
    auto joined = without_thousands(text);
    if (!joined) return std::nullopt;
    plain = *joined;
    text = plain;
  }
  const bool plus = text[0] == '+';
  if (plus) text.remove_prefix(1);
  if (text.empty() || text[0] == '+' || (plus && text[0] == '-')) return std::nullopt;
  const char after_sign = text[0] == '-' && text.size() > 1 ? text[1] : text[0];
  if (!is_digit(after_sign) && after_sign != '.')
    return std::nullopt;  // from_chars would take "inf" and "nan"
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return HUGE_VAL;  // also an underflow: below 1e-308 is odd too
  if (error != std::errc()) return std::nullopt;
  return value;
}

// Reads `count` digits at `position` and moves on.
std::optional<int> digits(std::string_view text, size_t& position, size_t count) {
  if (position + count > text.size()) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[position++];
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool take(std::string_view text, size_t& position, char wanted) {
  if (position >= text.size() || text[position] != wanted) return false;
  ++position;
  return true;
}

std::optional<double> days(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < 1000) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// What follows the day of an ISO 8601 date-time, as a fraction of a day. Zones are read and not applied:
// within one column the local time is what describes the record.
std::optional<double> time_of_day(std::string_view text, size_t position) {
  if (position == text.size()) return 0;
  if (!take(text, position, 'T') && !take(text, position, ' ')) return std::nullopt;
  const auto hour = digits(text, position, 2);
  if (!hour || *hour > 23 || !take(text, position, ':')) return std::nullopt;
  const auto minute = digits(text, position, 2);
  if (!minute || *minute > 59) return std::nullopt;
  double second = 0;
  if (take(text, position, ':')) {
    const auto whole = digits(text, position, 2);
    if (!whole || *whole > 60) return std::nullopt;
    second = *whole;
    if (take(text, position, '.')) {
      double unit = 0.1;
      for (; position < text.size() && is_digit(text[position]); ++position, unit /= 10) {
        second += unit * (text[position] - '0');
      }
    }
  }
  if (position < text.size() && !take(text, position, 'Z')) {
    if (!take(text, position, '+') && !take(text, position, '-')) return std::nullopt;
    if (!digits(text, position, 2)) return std::nullopt;
    take(text, position, ':');
    if (!digits(text, position, 2)) return std::nullopt;
  }
  if (position != text.size()) return std::nullopt;
  return (*hour * 3600 + *minute * 60 + second) / 86400;
}

std::optional<double> parse_date(std::string_view text) {
  if (text.size() < 10 || text.size() > 40 || !is_digit(text[0])) return std::nullopt;
  size_t position = 0;
  const char separator = text[4];
  if (separator == '-' || separator == '/') {
    const auto year = digits(text, position, 4);
    take(text, position, separator);
    const auto month = digits(text, position, 2);
    if (!year || !month || !take(text, position, separator)) return std::nullopt;
    const auto day = digits(text, position, 2);
    if (!day) return std::nullopt;
    const auto date = days(*year, *month, *day);
    const auto time = time_of_day(text, position);
    if (!date || !time) return std::nullopt;
    return *date + *time;
  }
  const char other = text[2];
  if (text.size() != 10 || (other != '.' && other != '/')) return std::nullopt;
  const auto first = digits(text, position, 2);
  take(text, position, other);
  const auto second = digits(text, position, 2);
  if (!first || !second || !take(text, position, other)) return std::nullopt;
  const auto year = digits(text, position, 4);
  if (!year) return std::nullopt;
  return other == '.' ? days(*year, *second, *first) : days(*year, *first, *second);
}

std::optional<bool> parse_boolean(std::string_view word) {
  if (word == "true" || word == "yes" || word == "t" || word == "y") return true;
  if (word == "false" || word == "no" || word == "f" || word == "n") return false;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(CellType type) {
  switch (type) {
    case CellType::kMissing: return "missing";
    case CellType::kNumber: return "number";
    case CellType::kDate: return "date";
    case CellType::kBoolean: return "boolean";
    case CellType::kText: return "text";
  }
  return "";
}

Cell parse_cell(std::string_view text) {
  if (text.empty()) return {};
  if (text.size() <= kLongestWord) {
    const std::string word = lower(text);
    if (contains(kMissingWords, word)) return {};
    if (contains(kInfinite, word)) return {CellType::kMissing, 0, true};
    if (const auto truth = parse_boolean(word)) return {CellType::kBoolean, *truth ? 1.0 : 0.0, false};
  }
  if (const auto number = parse_number(text)) {
    if (!std::isfinite(*number)) return {CellType::kMissing, 0, true};
    return {CellType::kNumber, *number, false};
  }
  if (const auto date = parse_date(text)) return {CellType::kDate, *date, false};
  return {CellType::kText, 0, false};
}

}  // namespace discreet
