#include <cmath>

#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

using Misuse = EngineFixture;

TEST_F(Misuse, OptionsOutOfRange) {
  const auto with = [&](auto change) {
    PrivacyOptions options = usual();
    change(options);
    return message_of([&] { PrivacyEngine made(net, options); });
  };
  EXPECT_THAT(with([](auto& o) { o.batch_size = 0; }), HasSubstr("batch_size"));
  EXPECT_THAT(with([](auto& o) { o.sample_size = 19; }), HasSubstr("sample_size"));
  EXPECT_THAT(with([](auto& o) { o.sample_size = NAN; }), HasSubstr("sample_size"));
  EXPECT_THAT(with([](auto& o) { o.noise_multiplier = 0; }), HasSubstr("noise_multiplier"));
  EXPECT_THAT(with([](auto& o) { o.noise_multiplier = NAN; }), HasSubstr("noise_multiplier"));
  EXPECT_THAT(with([](auto& o) { o.max_grad_norm = 0; }), HasSubstr("max_grad_norm"));
  EXPECT_THAT(with([](auto& o) { o.max_grad_norm = INFINITY; }), HasSubstr("max_grad_norm"));
  EXPECT_THAT(with([](auto& o) { o.max_grad_norm = NAN; }), HasSubstr("max_grad_norm"));
  EXPECT_THAT(with([](auto& o) { o.loss_reduction = Reduction::kUndeclared; }), HasSubstr("loss_reduction"));
  EXPECT_THAT(with([](auto& o) { o.independent_buffers = {"nope"}; }),
              HasSubstr("no buffer or frozen parameter 'nope'"));
  EXPECT_THAT(with([](auto& o) { o.independent_buffers = {"first.weight"}; }), HasSubstr("'first.weight'"));
  EXPECT_THAT(with([](auto& o) { o.max_grad_norm = 1e-31; }), HasSubstr("1e-30"));
  EXPECT_THAT(with([](auto& o) { o.clipping.max_weight = 1e31; }), HasSubstr("max_weight"));
  EXPECT_THAT(with([](auto& o) {
                o.clipping.normalise = true;
                o.clipping.max_weight = 1e20;
                o.clipping.stability = 1e-20;
              }),
              HasSubstr("stability"));
}

TEST_F(Misuse, AnotherOptimizer) {
  PrivacyEngine made(net, usual());
  torch::optim::SGD part(net->first->parameters(), 0.1);
  EXPECT_THAT(message_of([&] { made.attach(part); }), HasSubstr("'second.weight'"));
  auto more = net->parameters();
  more.push_back(torch::ones({1}).requires_grad_());
  torch::optim::SGD larger(more, 0.1);
  EXPECT_THAT(message_of([&] { made.attach(larger); }), HasSubstr("not trained by the engine"));
  EXPECT_THAT(message_of([&] { made.loader(data); }), HasSubstr("attach"));
  made.attach(optimizer);
  EXPECT_THAT(message_of([&] { made.attach(optimizer); }), HasSubstr("attached already"));
}

// Between the draw and its output only the records are new, so what is written then may be of them.
TEST_F(Misuse, AParameterWrittenByTheForwardPass) {
  net->table->options.max_norm(0.1);
  const auto made = engine();
  Loader loader = made->loader(data, 2);
  auto batch = loader.begin();
  EXPECT_THAT(message_of([&] { made->watch(net->forward((*batch).data)); }),
              HasSubstr("'table.weight' was written between the draw and its output (max_norm"));
  EXPECT_EQ(made->steps(), 0);
  // What was taken in stays in, also where nothing more is written.
  net->table->options.max_norm(c10::nullopt);
  const auto refused = HasSubstr("make the model anew");
  EXPECT_THAT(message_of([&] { made->watch(net->forward((*batch).data)); }), refused);
  EXPECT_THAT(message_of([&] { made->forfeit(); }), refused);
  EXPECT_THAT(message_of([&] { ++batch; }), refused);
}

TEST_F(Misuse, AWritePastTheVersionInTheFirstForwardPass) {
  const auto made = engine();
  Loader loader = made->loader(data, 1);
  auto batch = loader.begin();
  net->first->bias.variable_data().fill_(1);
  EXPECT_THAT(message_of([&] { made->watch(net->forward((*batch).data)); }),
              HasSubstr("'first.bias' was written"));
}

TEST_F(Misuse, AParameterWrittenBetweenDrawsIsTheUsersOwn) {
  const auto made = engine();
  int64_t steps = 0;
  for (const auto& batch : made->loader(data, 3)) {
    step(*made, batch);
    torch::NoGradGuard no_grad;
    net->first->weight.clamp_(-1, 1);
    ++steps;
  }
  EXPECT_EQ(steps, 3);
}

TEST_F(Misuse, AStepBeforeTheFirstRelease) {
  net->forward(data.x_).sum().backward();
  const auto made = engine();
  EXPECT_THAT(message_of([&] { made->before_step(); }), HasSubstr("before the first release"));
  optimizer.zero_grad();
  made->before_step();
}

TEST_F(Misuse, AnEngineThatIsGoneWhileItsLoaderLives) {
  auto made = engine();
  Loader loader = made->loader(data, 2);
  auto batch = loader.begin();
  const Tensor output = made->watch(net->forward((*batch).data));
  made.reset();
  net->forward(data.x_).sum().backward();  // nothing guards the parameters any more
  EXPECT_THAT(message_of([&] { output.sum().backward(); }), HasSubstr("no longer exists"));
  EXPECT_THAT(message_of([&] { ++batch; }), HasSubstr("no longer exists"));
}

TEST_F(Misuse, ADrawLeftUnused) {
  const auto made = engine();
  EXPECT_THAT(message_of([&] {
                for (const auto& batch : made->loader(data, 3)) (void)batch;
              }),
              HasSubstr("draw 1 was handed out but not used"));
  EXPECT_EQ(made->steps(), 0);
}

TEST_F(Misuse, ADrawUsedTwiceOrInAnotherSize) {
  const auto made = engine();
  EXPECT_THAT(message_of([&] { made->watch(net->forward(data.x_)); }), HasSubstr("without an unused draw"));
  Loader loader = made->loader(data, 2);
  auto batch = loader.begin();
  EXPECT_THAT(message_of([&] { made->watch(net->forward(data.x_)); }), HasSubstr("one row for each row"));
  EXPECT_THAT(message_of([&] { made->watch(net->forward((*batch).data).detach()); }), HasSubstr("no graph"));
  const Tensor out = made->watch(net->forward((*batch).data));
  EXPECT_THAT(message_of([&] { made->watch(net->forward((*batch).data)); }), HasSubstr("already watched"));
  const Tensor value = loss(out, (*batch).target);
  value.backward({}, /*retain_graph=*/true);
  EXPECT_THAT(message_of([&] { value.backward(); }), HasSubstr("ran twice"));
  EXPECT_THAT(message_of([&] { step(*made, *batch); }), HasSubstr("without an unused draw"));
  EXPECT_EQ(made->steps(), 1);
}

TEST_F(Misuse, PiecesOfTwoDrawsAreNotSummed) {
  const auto made = engine();
  made->accumulate(2);
  Loader first = made->loader(data, 1), second = made->loader(data, 1);
  step(*made, *first.begin());
  EXPECT_THAT(message_of([&] { second.begin(); }), HasSubstr("never summed into one release"));
  EXPECT_THAT(message_of([&] { made->accumulate(1); }), HasSubstr("not finished"));
}

TEST_F(Misuse, GradientsThatGoRoundTheEngine) {
  const auto made = engine();
  Loader loader = made->loader(data, 4);
  auto batch = loader.begin();
  // a regulariser
  EXPECT_THAT(message_of([&] {
                const Tensor out = made->watch(net->forward((*batch).data));
                (loss(out, (*batch).target) + 0.1 * net->first->weight.square().sum()).backward();
              }),
              HasSubstr("parameter 'first.weight' round the privacy engine"));
}

TEST_F(Misuse, ASecondOutputThatIsNotWatched) {
  const auto made = engine();
  Loader loader = made->loader(data, 4);
  auto batch = loader.begin();
  EXPECT_THAT(message_of([&] {
                const Tensor out = made->watch(net->forward((*batch).data));
                (loss(out, (*batch).target) + net->second(torch::ones({1, 6})).sum()).backward();
              }),
              HasSubstr("round the privacy engine"));
}

TEST_F(Misuse, AGradientChangedAfterItsRelease) {
  const auto made = engine();
  Loader loader = made->loader(data, 4);
  auto batch = loader.begin();
  step(*made, *batch);
  net->second->bias.mutable_grad().mul_(2);
  EXPECT_THAT(message_of([&] { ++batch; }), HasSubstr("gradient of parameter 'second.bias' was changed"));
}

struct RunningMean : torch::nn::Module {
  RunningMean() {
    linear = register_module("linear", torch::nn::Linear(4, 2));
    mean = register_buffer("mean", torch::zeros({4}));
  }
  Tensor forward(Tensor x) {
    mean.mul_(0.9).add_(x.detach().mean(0), 0.1);
    return linear(x);
  }
  torch::nn::Linear linear{nullptr};
  Tensor mean;
};

TEST_F(Misuse, AParameterUnfrozenLater) {
  net->table->weight.requires_grad_(false);
  const auto made = engine();
  net->table->weight.requires_grad_(true);
  EXPECT_THAT(message_of([&] {
                for (const auto& batch : made->loader(data, 1)) step(*made, batch);
              }),
              HasSubstr("'table.weight' was added or unfrozen"));
}

TEST_F(Misuse, ABufferThatChanges) {
  auto model = std::make_shared<RunningMean>();
  torch::optim::SGD sgd(model->parameters(), 0.1);
  for (bool declared : {false, true}) {
    PrivacyOptions options = usual();
    if (declared) options.independent_buffers = {"mean"};
    PrivacyEngine made(model, options);
    made.attach(sgd);
    EXPECT_THAT(message_of([&] {
                  for (const auto& batch : made.loader(data, 2)) {
                    loss(made.watch(model->forward(batch.data)), batch.target).backward();
                    sgd.step();
                  }
                }),
                declared ? HasSubstr("no Error") : HasSubstr("buffer 'mean' changed"));
    EXPECT_EQ(made.steps(), declared ? 2 : 0);  // refused before the release
  }
}

}  // namespace
}  // namespace discreet
