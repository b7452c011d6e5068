#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

using Check = EngineFixture;

TEST_F(Check, PassesAnOrdinaryModelAndLoss) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return torch::dropout(net->forward(x), 0.5, true); };
  made->check(
      forward, [](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y); }, data.x_, data.y_);
  EXPECT_FALSE(net->first->weight.grad().defined());
  EXPECT_EQ(made->steps(), 0);
}

TEST_F(Check, FindsDetachedBatchStatistics) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return net->forward(x - x.mean(0).detach()); };
  EXPECT_THAT(message_of([&] {
                made->check(
                    forward, [](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y); }, data.x_,
                    data.y_);
              }),
              HasSubstr("mixes samples"));
}

TEST_F(Check, RefusesLossesThatAreNotPerSample) {
  const auto made = engine();
  const auto forward = [&](Tensor x) { return net->forward(x); };
  const auto with = [&](std::function<Tensor(Tensor, Tensor)> value) {
    return message_of([&] { made->check(forward, value, data.x_, data.y_); });
  };
  EXPECT_THAT(
      with([](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y, {}, at::Reduction::Sum); }),
      HasSubstr("the loss is the sum"));
  EXPECT_THAT(with([](Tensor o, Tensor y) {
                return torch::cross_entropy_loss(o, y, torch::tensor({0.1f, 2.0f}));
              }),
              HasSubstr("class weights"));
  EXPECT_THAT(with([](Tensor o, Tensor y) {
                return torch::cross_entropy_loss(o, y, {}, at::Reduction::Mean, /*ignore_index=*/1);
              }),
              HasSubstr("ignored targets"));
  EXPECT_THAT(with([](Tensor o, Tensor) { return torch::softmax(o.mm(o.t()), 1).diag().log().mean(); }),
              HasSubstr("contrastive"));
  EXPECT_THAT(
      with([&](Tensor o, Tensor y) { return torch::cross_entropy_loss(o, y) + net->first->weight.norm(); }),
      HasSubstr("'first.weight' directly"));
}

}  // namespace
}  // namespace discreet
