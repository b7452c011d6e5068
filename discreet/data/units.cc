#include "discreet/data/units.h"

#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <unordered_map>

#include "discreet/base/error.h"
#include "discreet/data/cell.h"

namespace discreet {
namespace {

// A uniform 64-bit number for each (purpose, name), a pseudo-random function of both under the key.
uint64_t keyed_number(const SplitKey& key, char purpose, std::string_view name) {
  static_assert(sizeof(key.bytes) == crypto_generichash_KEYBYTES);
  crypto_generichash_state state;
  uint64_t number = 0;
  crypto_generichash_init(&state, key.bytes.data(), key.bytes.size(), crypto_generichash_BYTES_MIN);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&purpose), 1);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(name.data()), name.size());
  unsigned char hash[crypto_generichash_BYTES_MIN];
  crypto_generichash_final(&state, hash, sizeof hash);
  std::memcpy(&number, hash, sizeof number);
  return number;
}

bool is_held_out(const SplitKey& key, double held_out, std::string_view name) {
  return static_cast<double>(keyed_number(key, 's', name) >> 11) < std::ldexp(held_out, 53);
}

void check_share(double held_out) {
  if (!(held_out >= 0 && held_out < 1)) {
    throw Error(ErrorKind::kInvalidArgument, "held-out share: at least 0 and below 1 is allowed");
  }
}

std::vector<int64_t> unit_indices(const Table& table, const std::string& unit_column) {
  const int64_t column = table.column(unit_column);
  std::unordered_map<std::string_view, int64_t> index;
  std::vector<int64_t> units(static_cast<size_t>(table.rows()));
  for (int64_t row = 0; row < table.rows(); ++row) {
    const std::string_view name = table.cell(row, column);
    if (parse_cell(name).type == CellType::kMissing) {
      throw Error(ErrorKind::kInvalidArgument, table.source().string() + ": record " +
                                                   std::to_string(row + 1) +
                                                   " has no value in the unit column '" + unit_column +
                                                   "'; every record must belong to someone");
    }
    units[static_cast<size_t>(row)] = index.emplace(name, static_cast<int64_t>(index.size())).first->second;
  }
  return units;
}

// Keeps at most `most` of each unit's rows: those with the smallest keyed numbers. Ascending.
std::vector<int64_t> bounded(const std::vector<int64_t>& rows, const std::vector<int64_t>& units,
                             int64_t most, const SplitKey& key) {
  std::unordered_map<int64_t, std::vector<std::pair<uint64_t, int64_t>>> rows_of;
  for (int64_t row : rows) {
    rows_of[units[static_cast<size_t>(row)]].emplace_back(keyed_number(key, 'r', std::to_string(row)), row);
  }
  std::vector<int64_t> kept;
  for (auto& [unit, candidates] : rows_of) {
    std::sort(candidates.begin(), candidates.end());
    for (size_t i = 0; i < candidates.size() && i < static_cast<size_t>(most); ++i) {
      kept.push_back(candidates[i].second);
    }
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

// The part of these rows, its units numbered 0, 1, ... by first appearance.
TablePart part(const Table& table, const std::vector<int64_t>& rows, const std::vector<int64_t>& units) {
  TablePart out{table.select(rows), {}};
  std::unordered_map<int64_t, int64_t> index;
  for (int64_t row : rows) {
    if (units.empty()) break;
    out.units.push_back(
        index.emplace(units[static_cast<size_t>(row)], static_cast<int64_t>(index.size())).first->second);
  }
  return out;
}

}  // namespace

SplitKey SplitKey::draw(RandomStream& random) {
  SplitKey key;
  random.fill(std::as_writable_bytes(std::span(key.bytes)));
  return key;
}

std::string SplitKey::to_hex() const {
  std::string hex(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  hex.pop_back();
  return hex;
}

SplitKey SplitKey::from_hex(const std::string& hex) {
  SplitKey key;
  size_t length = 0;
  if (hex.size() != 2 * key.bytes.size() ||
      sodium_hex2bin(key.bytes.data(), key.bytes.size(), hex.data(), hex.size(), nullptr, &length, nullptr) !=
          0 ||
      length != key.bytes.size()) {
    throw Error(ErrorKind::kInvalidArgument, "split key: 64 hexadecimal digits are needed");
  }
  return key;
}

TableSplit split_table(const Table& table, const std::string& unit_column, int64_t max_rows_per_unit,
                       double held_out, const SplitKey& key) {
  check_share(held_out);
  if (max_rows_per_unit < 1) {
    throw Error(ErrorKind::kInvalidArgument, "max_rows_per_unit: 1 or more is allowed");
  }
  RowSplit rows;
  std::vector<int64_t> units;
  if (unit_column.empty()) {
    rows = split_rows(table.rows(), held_out, key);
  } else {
    units = unit_indices(table, unit_column);
    const int64_t column = table.column(unit_column);
    for (int64_t row = 0; row < table.rows(); ++row) {
      (is_held_out(key, held_out, table.cell(row, column)) ? rows.test : rows.train).push_back(row);
    }
    rows.train = bounded(rows.train, units, max_rows_per_unit, key);
  }
  if (rows.train.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                table.source().string() + ": holding out a share leaves no record to train on");
  }
  return {part(table, rows.train, units), part(table, rows.test, units)};
}

RowSplit split_rows(int64_t rows, double held_out, const SplitKey& key) {
  check_share(held_out);
  RowSplit split;
  for (int64_t row = 0; row < rows; ++row) {
    (is_held_out(key, held_out, std::to_string(row)) ? split.test : split.train).push_back(row);
  }
  return split;
}

}  // namespace discreet
