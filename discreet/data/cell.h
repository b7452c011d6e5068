// What one cell of a table says by itself: missing, a number, a date, a boolean or a text.
//
// The rules are fixed and look at nothing but the cell, so they cost no privacy. A cell that looks like a
// number but is none that can be used (inf, 1e999) is missing: an odd cell is never an error.
#pragma once

#include <cstdint>
#include <string_view>

namespace discreet {

enum class CellType { kMissing, kNumber, kDate, kBoolean, kText };
inline constexpr int kCellTypes = 5;
std::string_view to_string(CellType type);  // "missing", "number", "date", "boolean", "text"

struct Cell {
  CellType type = CellType::kMissing;
  // kNumber: its value. kDate: days since 1970-01-01, with a fraction where a time is given.
  // kBoolean: 0 or 1. Otherwise 0.
  double value = 0;
  // True where the text looks like a number but overflows or is infinite (type kMissing): for the owner's
  // eyes.
  bool odd = false;
};

// `text` has no spaces around it (read_table trims).
// Missing, capitals ignored: empty, ? - . NA N/A #N/A <NA> NaN NULL None missing, and infinities.
// Number: decimal or scientific, a leading + allowed, thousands commas allowed (1,234,567.8).
// Date: YYYY-MM-DD or YYYY/MM/DD, then optionally a space or T and HH:MM[:SS[.fraction]] with Z or +hh:mm;
//       DD.MM.YYYY; MM/DD/YYYY. Proleptic Gregorian, years 1000 to 9999.
// Boolean, capitals ignored: true false yes no t f y n.
Cell parse_cell(std::string_view text);

}  // namespace discreet
