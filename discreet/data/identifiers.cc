#include "discreet/data/identifiers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_set>

#include "discreet/data/cell.h"

namespace discreet {
namespace {

constexpr std::array<std::string_view, 32> kWords = {
    "id",       "ids",      "uid",     "uuid",     "guid",     "ssn",       "nino",    "nhs",
    "mrn",      "passport", "licence", "license",  "iban",     "email",     "mail",    "phone",
    "tel",      "mobile",   "fax",     "name",     "names",    "firstname", "surname", "lastname",
    "fullname", "user",     "userid",  "username", "customer", "patient",   "person",  "member"};
constexpr int64_t kEnoughRows = 20;       // below this, "different in every row" says nothing
constexpr double kMostRows = 0.5;         // share of cells that have the pattern
constexpr double kAlmostEveryRow = 0.95;  // different texts over rows

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "patientId", "patient_id", "Patient-ID" -> patient, id.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool starts = is_upper(c) && i > 0 && !is_upper(name[i - 1]);
    if (!is_letter(c) || starts) words.emplace_back();
    if (is_letter(c)) words.back() += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return words;
}

bool named_as_identifier(const std::string& name) {
  const auto words = words_of(name);
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
  });
}

bool is_email(std::string_view text) {
  const auto at = text.find('@');
  return at != std::string_view::npos && at > 0 && text.find('@', at + 1) == std::string_view::npos &&
         text.find('.', at + 2) != std::string_view::npos && text.back() != '.' &&
         text.find(' ') == std::string_view::npos;
}

bool is_phone(std::string_view text) {
  int digits = 0, others = 0;
  for (char c : text) {
    if (is_digit(c)) {
      ++digits;
    } else if (c == '+' || c == '(' || c == ')' || c == '-' || c == ' ' || c == '/') {
      ++others;
    } else {
      return false;
    }
  }
  return digits >= 7 && digits <= 15 && others > 0;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

struct Counts {
  int64_t known = 0, texts = 0, whole = 0, emails = 0, phones = 0, uuids = 0, different = 0;
};

Counts count(const Table& table, int64_t column) {
  Counts counts;
  std::unordered_set<std::string_view> seen;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const std::string_view text = table.cell(row, column);
    const Cell cell = parse_cell(text);
    if (cell.type == CellType::kMissing) continue;
    ++counts.known;
    counts.texts += cell.type == CellType::kText;
    counts.whole += cell.type == CellType::kNumber && cell.value == std::floor(cell.value);
    counts.emails += is_email(text);
    counts.phones += cell.type == CellType::kText && is_phone(text);
    counts.uuids += is_uuid(text);
    seen.insert(text);
  }
  counts.different = static_cast<int64_t>(seen.size());
  return counts;
}

std::optional<std::string> reason_of(const std::string& name, const Counts& counts) {
  const auto known = static_cast<double>(counts.known);
  if (static_cast<double>(counts.emails) > kMostRows * known) return "e-mail addresses";
  if (static_cast<double>(counts.phones) > kMostRows * known) return "telephone numbers";
  if (static_cast<double>(counts.uuids) > kMostRows * known) return "UUIDs";
  if (named_as_identifier(name)) return "its name";
  if (counts.known < kEnoughRows) return std::nullopt;
  if (static_cast<double>(counts.texts) > kMostRows * known &&
      static_cast<double>(counts.different) >= kAlmostEveryRow * known) {
    return "a different text in (almost) every row";
  }
  if (counts.whole == counts.known && counts.different == counts.known)
    return "a different whole number in every row";
  return std::nullopt;
}

}  // namespace

std::vector<Identifier> find_identifiers(const Table& table) {
  std::vector<Identifier> found;
  for (int64_t column = 0; column < table.columns(); ++column) {
    const std::string& name = table.names()[static_cast<size_t>(column)];
    const Counts counts = count(table, column);
    if (counts.known == 0) continue;
    if (const auto reason = reason_of(name, counts)) {
      found.push_back({name, *reason, counts.different < counts.known});
    }
  }
  return found;
}

}  // namespace discreet
