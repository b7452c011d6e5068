// A table as training sees it: compact in memory, spread out to features a batch at a time.
#pragma once

#include <vector>

#include "discreet/data/dataset.h"
#include "discreet/data/encoder.h"
#include "discreet/data/table.h"
#include "discreet/data/units.h"

namespace discreet {

class TableDataset : public Dataset {
 public:
  // kNotFound where a column of the schema is not in the table.
  TableDataset(TableEncoder encoder, const TablePart& part);

  int64_t size() const override { return encoded_.rows(); }
  torch::Tensor features(torch::Tensor rows) const override { return encoder_.features(encoded_, rows); }
  const TableEncoder& encoder() const { return encoder_; }

 private:
  TableEncoder encoder_;
  EncodedTable encoded_;
};

}  // namespace discreet
