#include "discreet/dp/adam_bc.h"

#include <gmock/gmock.h>

#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

// Without noise the formula is Adam's, but for where epsilon stands.
TEST(AdamBC, IsAdamWithoutNoise) {
  torch::manual_seed(2);
  const Tensor start = torch::randn({40}, torch::kDouble);
  Tensor ours = start.clone().requires_grad_(), theirs = start.clone().requires_grad_();
  AdamBC adam_bc({ours}, AdamBCOptions(0.01));
  torch::optim::Adam adam({theirs}, torch::optim::AdamOptions(0.01));
  for (int i = 0; i < 30; ++i) {
    const Tensor g = torch::randn({40}, torch::kDouble);
    ours.mutable_grad() = g;
    theirs.mutable_grad() = g.clone();
    adam_bc.step();
    adam.step();
  }
  EXPECT_LE((ours - theirs).detach().abs().max().item<double>(), 1e-6);
  EXPECT_GE((ours - start).detach().abs().max().item<double>(), 0.05);
}

// Gradients of +-0.05 in noise of 1: Adam's steps shrink to some 5 %, ours keep near the learning rate. The
// corrected second moment has mean 0.0025 and, after many steps, a standard deviation of about 0.03 a
// coordinate (0.001/2 of squares whose variance is 2): over 2,000 coordinates the mean step is what counts.
TEST(AdamBC, TakesTheNoiseOutOfTheSecondMoment) {
  torch::manual_seed(3);
  const int64_t width = 2000;
  const Tensor truth = torch::where(torch::rand({width}) < 0.5, -0.5, 0.5).to(torch::kDouble);
  Tensor ours = torch::zeros({width}, torch::kDouble).requires_grad_(),
         theirs = ours.detach().clone().requires_grad_();
  AdamBC adam_bc({ours}, AdamBCOptions(0.01, 1.0).floor(0.05));
  torch::optim::Adam adam({theirs}, torch::optim::AdamOptions(0.01));
  for (int i = 0; i < 3000; ++i) {
    const Tensor g = truth + torch::randn({width}, torch::kDouble);
    ours.mutable_grad() = g;
    theirs.mutable_grad() = g.clone();
    adam_bc.step();
    adam.step();
  }
  // Against the gradient's sign, a step each of lr g / sqrt(g^2) = lr and lr g / sqrt(g^2 + 1) = .447 lr.
  EXPECT_NEAR((ours.detach() * truth.sign()).mean().item<double>(), -30, 3);
  EXPECT_NEAR((theirs.detach() * truth.sign()).mean().item<double>(), -13.4, 1);
}

TEST(AdamBC, RefusesOptionsOutOfRange) {
  const auto with = [](AdamBCOptions options) {
    return message_of([&] { AdamBC({torch::zeros({1}).requires_grad_()}, options); });
  };
  EXPECT_THAT(with(AdamBCOptions(0)), HasSubstr("lr"));
  EXPECT_THAT(with(AdamBCOptions(1, -1)), HasSubstr("noise_stddev"));
  EXPECT_THAT(with(AdamBCOptions(1).beta1(1)), HasSubstr("beta1"));
  EXPECT_THAT(with(AdamBCOptions(1).beta2(-1)), HasSubstr("beta2"));
  EXPECT_THAT(with(AdamBCOptions(1).floor(0)), HasSubstr("floor"));
  EXPECT_THAT(with(AdamBCOptions(1).weight_decay(-1)), HasSubstr("weight_decay"));
}

// What the engine says of its noise is what is in the gradients: of 5,000 numbers, to 5 sigma.
TEST_F(EngineFixture, StatesTheNoiseOfAGradient) {
  PrivacyOptions options = usual();
  options.noise_multiplier = 3;
  const auto made = engine(options);
  std::vector<Tensor> released;
  for (const auto& batch : made->loader(data, 14)) {
    optimizer.zero_grad();
    (made->watch(net->forward(batch.data)) * 0).sum().backward();  // nothing but noise
    released.push_back(gradients());
  }
  const Tensor all = torch::cat(released);
  ASSERT_GT(all.numel(), 4500);
  const double stated = made->gradient_stddev();
  EXPECT_NEAR(all.std().item<double>() / stated, 1, 5 / std::sqrt(2.0 * all.numel()));
}

}  // namespace
}  // namespace discreet
