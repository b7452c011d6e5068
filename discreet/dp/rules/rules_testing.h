// What the tests of the rules share: models as functions of their parameters. Each list is a file.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

namespace discreet::testing_models {

using at::Tensor;
using Tensors = std::vector<Tensor>;

struct Model {
  std::string name;
  std::set<std::string> rules;               // names of the rules that it exercises
  std::vector<std::vector<int64_t>> shapes;  // of its parameters
  std::function<Tensor(int64_t)> input;      // number of samples -> double or int64 input
  std::function<Tensor(const Tensors&, Tensor)> forward;
};

inline void PrintTo(const Model& model, std::ostream* out) {
  *out << model.name;
}

inline Tensor normal(std::vector<int64_t> shape) {
  return torch::randn(shape, torch::kDouble);
}

// n -> normal numbers of shape [n, ...].
inline std::function<Tensor(int64_t)> normal_rows(std::vector<int64_t> shape) {
  return [shape = std::move(shape)](int64_t n) {
    std::vector<int64_t> whole{n};
    whole.insert(whole.end(), shape.begin(), shape.end());
    return normal(whole);
  };
}

// n -> tokens of shape [n, ...] below `vocabulary`.
inline std::function<Tensor(int64_t)> token_rows(int64_t vocabulary, std::vector<int64_t> shape) {
  return [vocabulary, shape = std::move(shape)](int64_t n) {
    std::vector<int64_t> whole{n};
    whole.insert(whole.end(), shape.begin(), shape.end());
    return torch::randint(0, vocabulary, whole, torch::kLong);
  };
}

std::vector<Model> layer_models();
std::vector<Model> product_models();  // of batches with parameters: batched, bilinear, with vectors
std::vector<Model> layout_models();   // batches that move, rows that indices choose, parts and their joining
std::vector<Model> recurrent_models();  // RNN, LSTM, GRU, packed sequences
std::vector<Model> parameter_models();  // views and functions of parameters, many uses of one

}  // namespace discreet::testing_models
