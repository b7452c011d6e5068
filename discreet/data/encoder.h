// From the cells of a table to bounded features, by a complete schema and nothing else.
//
// Numeric and date: piecewise-linear encoding (Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical
//   Features in Tabular Deep Learning", 2022, section 3.2): for the piece between knots a < b the feature
//   clamp((x - a) / (b - a), 0, 1); here the outer pieces are clamped too, so that an outlier has no larger
//   gradient than any other record. Then one indicator of a missing value (all pieces are 0 then).
// Category: one-hot of SipHash-2-4 of "column=text" under a fixed public key, modulo the number of buckets;
// then
//   one indicator of a missing value. No vocabulary is built from the records.
// Boolean: 0 or 1 (true, yes, t, y, 1 against false, no, f, n, 0), then one indicator of a missing value.
// Ignored: nothing.
// A cell of another type than its column's (a text in a numeric column) counts as missing.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "discreet/data/schema.h"
#include "discreet/data/table.h"

namespace discreet {

// Bucket of a category's text, in [0, buckets).
int64_t bucket_of(std::string_view column, std::string_view text, int64_t buckets);

// A table's features before they are spread out: 4 bytes a cell.
struct EncodedTable {
  torch::Tensor numbers;  // float32 [N, numeric, date and boolean columns], NaN where missing
  torch::Tensor buckets;  // int32 [N, category columns], the column's number of buckets where missing
  int64_t rows() const { return numbers.size(0); }
};

class TableEncoder {
 public:
  // kInvalidArgument, with the column's name, where the schema is not complete or has no feature at all.
  explicit TableEncoder(TableSchema schema);

  const TableSchema& schema() const { return schema_; }
  int64_t width() const { return width_; }  // number of features
  int64_t outputs() const;                  // number of classes, 1 for a regression, 0 without a target

  // Columns are found by name; others than the schema's are not looked at. kNotFound with the nearest name.
  EncodedTable encode(const Table& table) const;

  // int64 [B] row numbers -> float32 [B, width()], every value in [0, 1].
  torch::Tensor features(const EncodedTable& encoded, const torch::Tensor& rows) const;

  // Dataset::targets() of these rows; all -1 or NaN where the table has no target column.
  torch::Tensor targets(const Table& table) const;

  // For a regression: from the network's scale [-1, 1] to the target's own, never outside its range.
  double target_value(double scaled) const;
  // For a regression: float64 [N], the targets as they stand in the table, not clamped; NaN where there is
  // none.
  torch::Tensor target_values(const Table& table) const;

  // Rows whose target is there but is none of the schema's classes; 0 for a regression.
  int64_t rows_of_other_classes(const Table& table) const;

  // Squared length of a record that fills half of its features, with 1 for a bias: from the schema alone.
  double squared_length() const;

 private:
  TableSchema schema_;
  int64_t width_ = 0;
};

}  // namespace discreet
