// Whose rows are whose: the unit of privacy of a table, and the two random choices that respect it.
//
// A key of 32 bytes makes both choices reproducible (a resumed run must see the same split) and independent
// of the order of other units: each unit is decided by a keyed BLAKE2b hash of its own name (a row's number
// where every row is a unit). The key comes from RandomStream and is as private as the split.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "discreet/base/random.h"
#include "discreet/data/table.h"

namespace discreet {

struct SplitKey {
  std::array<unsigned char, 32> bytes{};
  static SplitKey draw(RandomStream& random);
  std::string to_hex() const;
  static SplitKey from_hex(const std::string& hex);  // kInvalidArgument unless 64 hexadecimal digits
};

// A part of a table with, for each row, the index of its unit; empty units: every row is a unit.
struct TablePart {
  Table table;
  std::vector<int64_t> units;
};

struct TableSplit {
  TablePart train, test;
};

inline constexpr int64_t kDefaultMaxRowsPerUnit = 10;

// Holds out each unit with probability held_out in [0, 1), whole; then keeps, of every unit in the training
// part, at most max_rows_per_unit rows chosen at random: the others are gone before any statistic and any
// training step. unit_column "": every row is a unit. kInvalidArgument: a row without a unit value (its
// number is named), max_rows_per_unit below 1, held_out outside [0, 1), or nothing left in the training part.
// kNotFound: no such column.
TableSplit split_table(const Table& table, const std::string& unit_column, int64_t max_rows_per_unit,
                       double held_out, const SplitKey& key);

// The same for rows that are units: the numbers of the rows kept for training and of those held out,
// ascending.
struct RowSplit {
  std::vector<int64_t> train, test;
};
RowSplit split_rows(int64_t rows, double held_out, const SplitKey& key);

}  // namespace discreet
