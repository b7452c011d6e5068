// The models of task.json in C++. rivals.py has the same ones in Python.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace step_bench {

struct Model : torch::nn::Module {
  virtual torch::Tensor forward(torch::Tensor x) = 0;
};

// task: an entry of "models".
std::shared_ptr<Model> make_model(const nlohmann::json& task);

// How often each operation is in the graph of the output: what says that two models are the same.
std::map<std::string, int64_t> operations(const torch::Tensor& output);

// [rows, ...] of random numbers, or of random tokens where the task has a vocabulary.
torch::Tensor make_input(const nlohmann::json& task, int64_t rows);

}  // namespace step_bench
