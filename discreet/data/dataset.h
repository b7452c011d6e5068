// What training sees of a data set: features and a target for each row. Rows are private records.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace discreet {

struct Batch {
  torch::Tensor data, target;
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Number of rows. Exact, hence private: nothing that is released may depend on it.
  virtual int64_t size() const = 0;

  // int64 [B] row numbers in [0, size()) -> float32 [B, ...], every value in [0, 1].
  virtual torch::Tensor features(torch::Tensor rows) const = 0;

  // int64 [N], class index, -1 where the row has no class that was declared or released; or
  // float32 [N] in [-1, 1] for a regression, NaN where the row has no target.
  const torch::Tensor& targets() const { return targets_; }

  // For each row the index of its unit of privacy (0, 1, ...); empty: every row is a unit of its own.
  const std::vector<int64_t>& units() const { return units_; }

  // Rows whose target can be learnt from (class not -1, regression not NaN); int64, ascending.
  torch::Tensor rows_with_target() const;

 protected:
  torch::Tensor targets_;
  std::vector<int64_t> units_;
};

}  // namespace discreet
