// Adaptive clipping in the engine: adaptive_clip_test.cc has the theory of it.
#include <cmath>

#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;

struct AdaptiveEngine : EngineFixture {
  static PrivacyOptions adaptive(AdaptiveClipping clipping = {}) {
    PrivacyOptions options = usual();
    options.adaptive_clipping = clipping;
    return options;
  }
};

// The noise of both parts, read back from empty draws: the sum's over 2,000 releases of 332 coordinates,
// the count's from the clips that follow. Each mean square is within 5.5 sqrt(2 / n) of what it should be but
// for a chance of 4e-8; together they are the noise of the event, whose multiplier is 1.
TEST_F(AdaptiveEngine, RunsTheNoiseThatItsEventSays) {
  constexpr double kCountStddev = 0.8;
  PrivacyOptions options = adaptive({.count_noise_multiplier = kCountStddev});
  options.batch_size = 1;
  options.sample_size = 1e9;
  const auto made = engine(options);
  constexpr int kDraws = 2000;
  double of_sum = 0, of_count = 0, numbers = 0, clip = 1;
  for (const auto& batch : made->loader(data, kDraws)) {
    EXPECT_EQ(made->max_grad_norm(), clip);
    loss(made->watch(net->forward(batch.data)), batch.target).backward();
    const Tensor released = gradients() / (clip * (1 + 0x1p-10));
    of_sum += released.square().sum().item<double>();
    numbers += static_cast<double>(released.numel());
    const double count =
        -std::log(made->max_grad_norm() / clip) / 0.2;  // share - target, both 1/2 but for it
    of_count += count * count;
    clip = made->max_grad_norm();
  }
  EXPECT_EQ(made->counts().units, 0);
  of_sum /= numbers;
  of_count /= kDraws;
  const double expected = 1 / (1 - 1 / (4 * kCountStddev * kCountStddev));  // z_sum^2
  EXPECT_NEAR(of_sum, expected, expected * 5.5 * std::sqrt(2 / numbers));
  EXPECT_NEAR(of_count, kCountStddev * kCountStddev,
              kCountStddev * kCountStddev * 5.5 * std::sqrt(2.0 / kDraws));
  EXPECT_EQ(made->event(), Event::repeated(Event::poisson_sampled(1e-9, Event::gaussian(1.0)), kDraws));
}

// A unit of any norm and any number of rows: what it adds to the sum and to the count, each over its noise,
// has a norm of at most 1 / noise_multiplier together, and of that where its gradient is clipped or at the
// clip's lower end. One that is not finite adds nothing to either.
TEST_F(AdaptiveEngine, AUnitIsWithinTheSensitivityOfBothTogether) {
  constexpr double kClip = 2, kMultiplier = 1.5;
  const Tensor weight = torch::zeros({1, 3}).requires_grad_();
  Clipper clipper({{"weight", weight}}, kClip);
  const AdaptiveClip adaptive({.count_noise_multiplier = 0.9}, kMultiplier, 10, kClip);
  double most = 0;
  for (const double norm : {0.0, 0.5, 1.75, 1.9, 2.0, 2.1, 2.25, 1e6, 1e18, HUGE_VAL}) {
    for (const int64_t rows : {1, 2, 300}) {
      const Tensor x = torch::zeros({rows, 3});
      x.select(1, 1).fill_(norm / static_cast<double>(rows));
      const Tensor output = torch::linear(x, weight);
      clipper.add(output, torch::ones_like(output), {0});
      const ClippedSum sum = clipper.take();
      const double of_sum =
          sum.tensors()[0].norm().item<double>() / (adaptive.sum_noise_multiplier() * sum.sensitivity());
      const double of_count = sum.count() / adaptive.count_stddev();
      EXPECT_NEAR(
          sum.count(),
          std::isfinite(norm) ? count_parts(at::scalar_tensor(norm, at::kDouble), kClip).item<double>() : 0,
          1e-5);
      EXPECT_LE(std::hypot(of_sum, of_count), 1 / kMultiplier);
      most = std::max(most, std::hypot(of_sum, of_count));
    }
  }
  EXPECT_GT(most, 0.998 / kMultiplier);
  EXPECT_EQ(clipper.take().count(), 0);  // taken: counted once
}

// With hardly any noise on the sum and every unit in every draw, each release is the sum at the clip that the
// engine stated before it; in pieces too.
TEST_F(AdaptiveEngine, ClipsAtTheClipThatItStates) {
  for (const int64_t pieces : {1, 3}) {
    const Tensor norms = data.x_.norm(2, {1}, true).to(torch::kDouble);
    auto linear = std::make_shared<torch::nn::LinearImpl>(torch::nn::LinearOptions(4, 1).bias(false));
    torch::optim::SGD sgd(linear->parameters(), 0.1);
    PrivacyOptions options = adaptive({.target_quantile = 0.7});
    options.batch_size = 200;
    options.noise_multiplier = 1e-6;
    options.max_grad_norm = 0.1;
    options.loss_reduction = Reduction::kSum;
    PrivacyEngine made(linear, options);
    made.attach(sgd);
    made.accumulate(pieces);
    double clip = 0.1;
    for (const auto& batch : made.loader(data, 6)) {
      made.watch(linear->forward(batch.data)).sum().backward();  // a row's gradient is the row
      if (!linear->weight.grad().defined()) continue;
      const Tensor expected = (data.x_.to(torch::kDouble) * (clip / norms).clamp_max(1)).sum(0, true) / 200;
      EXPECT_LT((linear->weight.grad() - expected).norm().item<double>(), 1e-5 * clip);
      EXPECT_NE(made.max_grad_norm(), clip);
      clip = made.max_grad_norm();
      linear->weight.mutable_grad() = Tensor();
    }
    EXPECT_EQ(made.steps(), 6);
  }
}

// Near its end the share of rows within the clip has a standard deviation of 0.02: 0.15 is a chance of 1e-13.
TEST_F(AdaptiveEngine, TheClipComesToTheQuantileOfTheGradientNorms) {
  auto linear = std::make_shared<torch::nn::LinearImpl>(torch::nn::LinearOptions(4, 1).bias(false));
  torch::optim::SGD sgd(linear->parameters(), 0.1);
  PrivacyOptions options = adaptive({.target_quantile = 0.7});
  options.batch_size = 100;
  options.max_grad_norm = 0.01;
  options.loss_reduction = Reduction::kSum;
  PrivacyEngine made(linear, options);
  made.attach(sgd);
  for (const auto& batch : made.loader(data, 200)) {
    linear->weight.mutable_grad() = Tensor();
    made.watch(linear->forward(batch.data)).sum().backward();
  }
  const Tensor within = data.x_.norm(2, {1}).le(made.max_grad_norm());
  EXPECT_NEAR(within.to(torch::kDouble).mean().item<double>(), 0.7, 0.15);
}

TEST_F(AdaptiveEngine, OneSumHasOneClip) {
  const Tensor weight = torch::zeros({1, 3}).requires_grad_();
  Clipper clipper({{"weight", weight}}, 1.0);
  const Tensor output = torch::linear(torch::ones({2, 3}), weight);
  clipper.add(output, torch::ones_like(output));
  EXPECT_THROW(clipper.set_max_grad_norm(2), Error);
  clipper.take();
  clipper.set_max_grad_norm(2);
  EXPECT_THROW(clipper.set_max_grad_norm(0), Error);
  EXPECT_NE(message_of([&] {
              PrivacyOptions options = adaptive();
              options.noise_multiplier = 3;  // 2 s = batch_size / 10 = 2
              engine(options);
            }).find("count_noise_multiplier"),
            std::string::npos);
}

}  // namespace
}  // namespace discreet
