// What is trained and on what: one model of task.json with its data; and the clocks and the memory of a
// process.
#pragma once

#include <torch/torch.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/step/models.h"
#include "discreet/dp/loader.h"

namespace step_bench {

class Records : public discreet::Dataset {
 public:
  Records(const nlohmann::json& task, int64_t rows) : x_(make_input(task, rows)) {
    targets_ = torch::randint(0, task.at("classes").get<int64_t>(), {rows}, torch::kLong);
  }
  int64_t size() const override { return x_.size(0); }
  torch::Tensor features(torch::Tensor rows) const override { return x_.index_select(0, rows); }

 private:
  torch::Tensor x_;
};

// Where the model is, and each batch once it is drawn: run.py's --device.
inline at::Device device() {
  const char* name = std::getenv("STEP_DEVICE");
  return at::Device(name != nullptr ? name : "cpu");
}

struct Case {
  double clip, noise, learning_rate;
  int64_t batch;
  std::shared_ptr<Model> model;
  Records data;
};

inline torch::Tensor loss_of(const torch::Tensor& out, const torch::Tensor& y) {
  return torch::cross_entropy_loss(out, y);
}

inline double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A line of /proc/self/status, in MiB.
inline double memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stod(line.substr(name.size() + 1)) / 1024;
  return 0;
}

// Prints the milliseconds, of processors and by the clock, that each part of a private step takes, by clip
// rule, and the floors: what the norms' arithmetic would take at the speed of a large product, and what the
// random bits of the noise take alone. What a private step has beside a plain one are the search of the
// graph, the norms and the noise.
void print_parts(Case& c, int steps);

}  // namespace step_bench
