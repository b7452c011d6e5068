// A package put to use: the network, the weights and the preprocessing that it was trained with.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/data/table.h"
#include "discreet/model/network.h"

namespace discreet {

struct Predictions {
  std::vector<std::string> classes;  // empty: a regression
  std::vector<std::string> files;    // of each record, relative to the folder of images; otherwise empty
  torch::Tensor values;              // float [N, classes] probabilities, or [N, 1] in the target's own scale

  int64_t best(int64_t row) const;  // the most probable class
};

class Predictor {
 public:
  // Every file is checked against the signed manifest as it is read. kDataLoss for a changed byte, kNotFound
  // for a missing package.
  explicit Predictor(const std::filesystem::path& package);

  // Every record of `data`, in its order. Tables may lack the target; where images come with a test part,
  // that part is meant. kInvalidArgument where the data is of another kind or shape than the model's.
  Predictions predict(const std::string& data, const TableOptions& options = {}) const;

 private:
  Json preprocessing_;
  std::vector<std::string> classes_;
  std::shared_ptr<Network> network_;
};

}  // namespace discreet
