#include "discreet/evaluate/outputs.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Record i has the features [i, i * i].
class Squares : public Dataset {
 public:
  explicit Squares(int64_t size) : size_(size) { targets_ = torch::zeros({size}, torch::kLong); }
  int64_t size() const override { return size_; }
  torch::Tensor features(torch::Tensor rows) const override {
    most_ = std::max(most_, rows.size(0));
    const torch::Tensor x = rows.to(torch::kFloat32);
    return torch::stack({x, x * x}, 1);
  }
  mutable int64_t most_ = 0;

 private:
  int64_t size_;
};

TEST(Outputs, BlocksChangeNothingAndKeepTheOrder) {
  const Squares dataset(100);
  const torch::Tensor rows = torch::randperm(100).narrow(0, 0, 53);
  const torch::Tensor weight = torch::randn({2, 3});
  const Forward forward = [&](const torch::Tensor& x) { return x.matmul(weight); };
  const torch::Tensor whole = forward(dataset.features(rows));
  for (const int64_t block : {1, 7, 53, 1000}) {
    dataset.most_ = 0;
    EXPECT_TRUE(torch::allclose(outputs(dataset, rows, forward, block), whole, 1e-6, 1e-4));
    EXPECT_LE(dataset.most_, block);
  }
}

TEST(Outputs, KeepNoGradients) {
  const Squares dataset(4);
  const torch::Tensor weight = torch::randn({2, 3}, torch::requires_grad());
  EXPECT_FALSE(outputs(dataset, torch::arange(4), [&](const torch::Tensor& x) {
                 return x.matmul(weight);
               }).requires_grad());
}

TEST(Outputs, RefusesModelsThatMixRecords) {
  const Squares dataset(4);
  const auto mean = [](const torch::Tensor& x) { return x.mean(0, true); };
  EXPECT_THROW(outputs(dataset, torch::arange(4), mean), Error);
  EXPECT_THROW(outputs(dataset, torch::arange(0), mean), Error);
  EXPECT_THROW(outputs(dataset, torch::arange(4), mean, 0), Error);
}

}  // namespace
}  // namespace discreet
