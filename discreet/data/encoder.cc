#include "discreet/data/encoder.h"

#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "discreet/base/error.h"
#include "discreet/data/cell.h"

namespace discreet {
namespace {

// Public and fixed for ever: packages made by one version are read by the next.
constexpr unsigned char kBucketKey[crypto_shorthash_KEYBYTES + 1] = "discreet-buckets";
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

bool is_number_column(const ColumnSchema& column) {
  return column.kind == ColumnKind::kNumeric || column.kind == ColumnKind::kDate ||
         column.kind == ColumnKind::kBoolean;
}

float number_in(std::string_view text, ColumnKind kind) {
  const Cell cell = parse_cell(text);
  switch (kind) {
    case ColumnKind::kNumeric:
      return cell.type == CellType::kNumber ? static_cast<float>(cell.value) : kMissing;
    case ColumnKind::kDate: return cell.type == CellType::kDate ? static_cast<float>(cell.value) : kMissing;
    case ColumnKind::kBoolean:
      if (cell.type == CellType::kBoolean) return static_cast<float>(cell.value);
      return cell.type == CellType::kNumber && (cell.value == 0 || cell.value == 1)
                 ? static_cast<float>(cell.value)
                 : kMissing;
    default: return kMissing;
  }
}

// A value may fit a double and not a float: infinite then, which the clamp of the encoding brings back.
int64_t pieces(const ColumnSchema& column) {
  switch (*column.kind) {
    case ColumnKind::kNumeric:
    case ColumnKind::kDate: return static_cast<int64_t>(column.knots.size()) - 1;
    case ColumnKind::kCategory: return column.buckets;
    case ColumnKind::kBoolean: return 1;
    case ColumnKind::kIgnored: return 0;
  }
  return 0;
}

// values [B] (NaN: missing) -> out [B, pieces + 1].
void spread_numbers(const ColumnSchema& column, const torch::Tensor& values, torch::Tensor out) {
  const auto missing = values.isnan();
  const int64_t count = pieces(column);
  torch::Tensor spread;
  if (column.kind == ColumnKind::kBoolean) {
    spread = values.unsqueeze(1);
  } else {
    const auto knots = torch::tensor(column.knots, torch::kFloat64);
    const auto low = knots.slice(0, 0, count);
    const auto high = knots.slice(0, 1, count + 1);
    spread = ((values.to(torch::kFloat64).unsqueeze(1) - low) / (high - low)).clamp(0, 1);
  }
  out.slice(1, 0, count).copy_(spread.masked_fill(missing.unsqueeze(1), 0));
  out.select(1, count).copy_(missing);
}

}  // namespace

int64_t bucket_of(std::string_view column, std::string_view text, int64_t buckets) {
  std::string bytes(column);
  bytes += '=';
  bytes += text;
  unsigned char hash[crypto_shorthash_BYTES];
  crypto_shorthash(hash, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), kBucketKey);
  uint64_t number = 0;
  for (int i = 7; i >= 0; --i) number = number << 8 | hash[i];
  return static_cast<int64_t>(number % static_cast<uint64_t>(buckets));
}

TableEncoder::TableEncoder(TableSchema schema) : schema_(std::move(schema)) {
  for (const auto& column : schema_.columns) {
    if (!column.complete()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "schema: column '" + column.name + "' has no " + (column.kind ? "knots" : "kind") + " yet");
    }
    if (column.kind != ColumnKind::kIgnored) width_ += pieces(column) + 1;
  }
  if (schema_.target && !schema_.target->complete()) {
    throw Error(ErrorKind::kInvalidArgument,
                "schema: target '" + schema_.target->name + "' has no classes and no range yet");
  }
  if (width_ == 0) throw Error(ErrorKind::kInvalidArgument, "schema: there is no column to learn from");
}

int64_t TableEncoder::outputs() const {
  if (!schema_.target) return 0;
  return schema_.target->kind == TargetKind::kClasses ? static_cast<int64_t>(schema_.target->classes.size())
                                                      : 1;
}

EncodedTable TableEncoder::encode(const Table& table) const {
  std::vector<const ColumnSchema*> numbers, categories;
  for (const auto& column : schema_.columns) {
    if (is_number_column(column)) numbers.push_back(&column);
    if (column.kind == ColumnKind::kCategory) categories.push_back(&column);
  }
  const int64_t rows = table.rows();
  EncodedTable out{torch::empty({rows, static_cast<int64_t>(numbers.size())}, torch::kFloat32),
                   torch::empty({rows, static_cast<int64_t>(categories.size())}, torch::kInt32)};
  float* number = out.numbers.data_ptr<float>();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const int64_t column = table.column(numbers[i]->name);
    for (int64_t row = 0; row < rows; ++row) {
      number[static_cast<size_t>(row) * numbers.size() + i] =
          number_in(table.cell(row, column), *numbers[i]->kind);
    }
  }
  int32_t* bucket = out.buckets.data_ptr<int32_t>();
  for (size_t i = 0; i < categories.size(); ++i) {
    const int64_t column = table.column(categories[i]->name);
    for (int64_t row = 0; row < rows; ++row) {
      const std::string_view text = table.cell(row, column);
      const bool missing = parse_cell(text).type == CellType::kMissing;
      const int64_t value =
          missing ? categories[i]->buckets : bucket_of(categories[i]->name, text, categories[i]->buckets);
      bucket[static_cast<size_t>(row) * categories.size() + i] = static_cast<int32_t>(value);
    }
  }
  return out;
}

torch::Tensor TableEncoder::features(const EncodedTable& encoded, const torch::Tensor& rows) const {
  const auto numbers = encoded.numbers.index_select(0, rows);
  const auto buckets = encoded.buckets.index_select(0, rows).to(torch::kInt64);
  auto out = torch::zeros({rows.size(0), width_}, torch::kFloat32);
  int64_t start = 0, number = 0, category = 0;
  for (const auto& column : schema_.columns) {
    if (column.kind == ColumnKind::kIgnored) continue;
    const int64_t end = start + pieces(column) + 1;
    auto slice = out.slice(1, start, end);
    if (column.kind == ColumnKind::kCategory) {
      slice.scatter_(1, buckets.slice(1, category, category + 1), 1.0);
      ++category;
    } else {
      spread_numbers(column, numbers.select(1, number), slice);
      ++number;
    }
    start = end;
  }
  return out;
}

torch::Tensor TableEncoder::targets(const Table& table) const {
  const int64_t rows = table.rows();
  if (!schema_.target) return torch::full({rows}, -1, torch::kInt64);
  const TargetSchema& target = *schema_.target;
  const auto column = table.find(target.name);
  if (target.kind == TargetKind::kClasses) {
    auto out = torch::full({rows}, -1, torch::kInt64);
    if (!column) return out;
    std::unordered_map<std::string_view, int64_t> index;
    for (size_t i = 0; i < target.classes.size(); ++i)
      index.emplace(target.classes[i], static_cast<int64_t>(i));
    int64_t* value = out.data_ptr<int64_t>();
    for (int64_t row = 0; row < rows; ++row) {
      const auto found = index.find(table.cell(row, *column));
      if (found != index.end()) value[row] = found->second;
    }
    return out;
  }
  auto out = torch::full({rows}, kMissing, torch::kFloat32);
  if (!column) return out;
  float* value = out.data_ptr<float>();
  const auto [low, high] = *target.range;
  for (int64_t row = 0; row < rows; ++row) {
    const Cell cell = parse_cell(table.cell(row, *column));
    if (cell.type != CellType::kNumber && cell.type != CellType::kDate) continue;
    value[row] = static_cast<float>(std::clamp((cell.value - low) / (high - low), 0.0, 1.0) * 2 - 1);
  }
  return out;
}

double TableEncoder::target_value(double scaled) const {
  const auto [low, high] = *schema_.target->range;
  return low + (high - low) * (std::clamp(scaled, -1.0, 1.0) + 1) / 2;
}

torch::Tensor TableEncoder::target_values(const Table& table) const {
  auto out = torch::full({table.rows()}, std::numeric_limits<double>::quiet_NaN(), torch::kFloat64);
  const auto column = table.find(schema_.target->name);
  if (!column) return out;
  double* value = out.data_ptr<double>();
  for (int64_t row = 0; row < table.rows(); ++row) {
    const Cell cell = parse_cell(table.cell(row, *column));
    if (cell.type == CellType::kNumber || cell.type == CellType::kDate) value[row] = cell.value;
  }
  return out;
}

int64_t TableEncoder::rows_of_other_classes(const Table& table) const {
  const auto column = table.find(schema_.target->name);
  if (!column || schema_.target->kind != TargetKind::kClasses) return 0;
  const torch::Tensor known = targets(table);
  int64_t rows = 0;
  for (int64_t row = 0; row < table.rows(); ++row) {
    rows +=
        known[row].item<int64_t>() == -1 && parse_cell(table.cell(row, *column)).type != CellType::kMissing;
  }
  return rows;
}

double TableEncoder::squared_length() const {
  double most = 1;
  for (const auto& column : schema_.columns) {
    if (column.kind == ColumnKind::kIgnored) continue;
    most += column.kind == ColumnKind::kCategory ? 1.0 : static_cast<double>(pieces(column));
  }
  return std::max(most / 2, 1.0);
}

}  // namespace discreet
