// What the tests of the engine share: a small data set, a model of which a part is trained but not touched,
// and the loop that a user would write.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/dp/privacy_engine.h"

namespace discreet {

// Points in the plane of the features; the target is the sign of the first.
class Points : public torch::data::Dataset<Points> {
 public:
  explicit Points(int64_t rows, int64_t width = 4) {
    torch::manual_seed(5);
    x_ = torch::randn({rows, width});
    y_ = (x_.select(1, 0) > 0).to(torch::kLong);
  }
  torch::data::Example<> get(size_t i) override {
    return {x_[static_cast<int64_t>(i)], y_[static_cast<int64_t>(i)]};
  }
  torch::optional<size_t> size() const override { return x_.size(0); }
  at::Tensor x_, y_;
};

// A small network whose second layer can be switched off, so that it is trained but not touched.
struct Net : torch::nn::Module {
  Net() {
    first = register_module("first", torch::nn::Linear(4, 6));
    second = register_module("second", torch::nn::Linear(6, 2));
    table = register_module("table", torch::nn::Embedding(50, 6));
  }
  at::Tensor forward(at::Tensor x) {
    const at::Tensor tokens = torch::zeros({x.size(0)}, torch::kLong);
    return second(torch::tanh(first(x)) + table(tokens));
  }
  torch::nn::Linear first{nullptr}, second{nullptr};
  torch::nn::Embedding table{nullptr};
};

inline PrivacyOptions usual() {
  return {.batch_size = 20,
          .sample_size = 200,
          .noise_multiplier = 1.0,
          .max_grad_norm = 1.0,
          .loss_reduction = Reduction::kMean,
          .check_first_batch = false,
          .seed_for_tests = 11};
}

inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

struct EngineFixture : testing::Test {
  EngineFixture() : data(200), net(std::make_shared<Net>()), optimizer(net->parameters(), 0.1) {}

  std::unique_ptr<PrivacyEngine> engine(PrivacyOptions options = usual()) {
    auto made = std::make_unique<PrivacyEngine>(net, options);
    made->attach(optimizer);
    return made;
  }
  at::Tensor loss(const at::Tensor& out, const at::Tensor& y) { return torch::cross_entropy_loss(out, y); }
  void step(PrivacyEngine& engine, const Batch& batch) {
    optimizer.zero_grad();
    loss(engine.watch(net->forward(batch.data)), batch.target).backward();
    optimizer.step();
  }
  at::Tensor gradients() {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& p : net->parameters()) flat.push_back(p.grad().flatten().to(torch::kDouble));
    return torch::cat(flat);
  }
  Points data;
  std::shared_ptr<Net> net;
  torch::optim::SGD optimizer;
};

}  // namespace discreet
