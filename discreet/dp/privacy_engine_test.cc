#include "discreet/dp/privacy_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <thread>

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

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
  Tensor x_, y_;
};

// A small network whose second layer can be switched off, so that it is trained but not touched.
struct Net : torch::nn::Module {
  Net() {
    first = register_module("first", torch::nn::Linear(4, 6));
    second = register_module("second", torch::nn::Linear(6, 2));
    table = register_module("table", torch::nn::Embedding(50, 6));
  }
  Tensor forward(Tensor x) {
    const Tensor tokens = torch::zeros({x.size(0)}, torch::kLong);
    return second(torch::tanh(first(x)) + table(tokens));
  }
  torch::nn::Linear first{nullptr}, second{nullptr};
  torch::nn::Embedding table{nullptr};
};

PrivacyOptions usual() {
  return {.batch_size = 20,
          .sample_size = 200,
          .noise_multiplier = 1.0,
          .max_grad_norm = 1.0,
          .loss_reduction = Reduction::kMean,
          .seed_for_tests = 11};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

struct Fixture : testing::Test {
  Fixture() : data(200), net(std::make_shared<Net>()), optimizer(net->parameters(), 0.1) {}

  std::unique_ptr<PrivacyEngine> engine(PrivacyOptions options = usual()) {
    auto made = std::make_unique<PrivacyEngine>(net, options);
    made->attach(optimizer);
    return made;
  }
  Tensor loss(const Tensor& out, const Tensor& y) { return torch::cross_entropy_loss(out, y); }
  void step(PrivacyEngine& engine, const Batch& batch) {
    optimizer.zero_grad();
    loss(engine.watch(net->forward(batch.data)), batch.target).backward();
    optimizer.step();
  }
  Tensor gradients() {
    std::vector<Tensor> flat;
    for (const Tensor& p : net->parameters()) flat.push_back(p.grad().flatten().to(torch::kDouble));
    return torch::cat(flat);
  }
  Points data;
  std::shared_ptr<Net> net;
  torch::optim::SGD optimizer;
};

using Engine = Fixture;
using Misuse = Fixture;

TEST_F(Engine, ReleasesTheClippedSumOverTheNormaliserPlusNoise) {
  // With hardly any noise the release is the clipped sum over batch_size, whatever was drawn.
  PrivacyOptions options = usual();
  options.noise_multiplier = 1e-6;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 3)) {
    optimizer.zero_grad();
    loss(made->watch(net->forward(batch.data)), batch.target).backward();
    Tensor expected = torch::zeros_like(gradients());
    Net copy;  // plain autograd on the engine's own parameters would be refused
    for (size_t i = 0; i < copy.parameters().size(); ++i)
      copy.parameters()[i].data().copy_(net->parameters()[i].data());
    for (int64_t i = 0; i < batch.data.size(0); ++i) {
      const auto one = torch::indexing::Slice(i, i + 1);
      const auto parts = torch::autograd::grad(
          {loss(copy.forward(batch.data.index({one})), batch.target.index({one}))}, copy.parameters());
      std::vector<Tensor> flat;
      for (const Tensor& part : parts) flat.push_back(part.flatten().to(torch::kDouble));
      const Tensor g = torch::cat(flat);
      expected += g / std::max(1.0, g.norm().item<double>()) / 20;
    }
    EXPECT_LT((gradients() - expected).norm().item<double>(), 1e-5);
    optimizer.step();
  }
  EXPECT_EQ(made->steps(), 3);
}

TEST_F(Engine, PiecesGiveTheSameReleaseAsOneBatch) {
  std::vector<Tensor> released;
  for (int64_t k : {1, 3, 40}) {  // 40 pieces of a draw of about 20: many are empty
    torch::manual_seed(1);
    net = std::make_shared<Net>();
    torch::optim::SGD other(net->parameters(), 0.1);
    PrivacyEngine made(net, usual());
    made.attach(other);
    made.accumulate(k);
    int64_t batches = 0;
    for (const auto& batch : made.loader(data, 1)) {
      ++batches;
      loss(made.watch(net->forward(batch.data)), batch.target).backward();
      EXPECT_EQ(net->first->weight.grad().defined(), batches == k);
      other.step();
    }
    EXPECT_EQ(batches, k);
    released.push_back(gradients());
  }
  EXPECT_LT((released[0] - released[1]).norm().item<double>(), 1e-6);
  EXPECT_LT((released[0] - released[2]).norm().item<double>(), 1e-6);
}

TEST_F(Engine, AnEmptyDrawReleasesPureNoise) {
  PrivacyOptions options = usual();
  options.batch_size = 1;
  options.sample_size = 1e9;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 2)) {
    ASSERT_EQ(batch.data.size(0), 1);
    EXPECT_EQ(batch.data.abs().sum().item<double>(), 0);  // the placeholder
    step(*made, batch);
    EXPECT_NEAR(gradients().std().item<double>(), 1 + 0x1p-10, 0.2);
  }
  EXPECT_EQ(made->counts().units, 0);
}

// Every parameter, also where the batch touched nothing, carries noise of the stated size. The mean square of
// n normals lies within 5 sqrt(2 / n) of 1 but for a chance of 6e-7 each (3 parameters: false alarm < 2e-6).
TEST_F(Engine, NoiseIsDenseAndOfTheStatedSize) {
  PrivacyOptions options = usual();
  options.noise_multiplier = 3.0;
  options.max_grad_norm = 0.5;
  const auto made = engine(options);
  std::vector<double> squares(net->parameters().size(), 0.0);
  constexpr int kDraws = 60;
  for (const auto& batch : made->loader(data, kDraws)) {
    optimizer.zero_grad();
    const Tensor out = net->forward(batch.data);
    loss(made->watch(out), batch.target * 0).backward();
    const auto parameters = net->parameters();
    const double stddev = 3.0 * 0.5 * (1 + 0x1p-10) / 20;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor grad = parameters[i].grad().to(torch::kDouble);
      EXPECT_LT((grad == 0).sum().item<int64_t>(), 5);  // a coordinate lands on 0 once in about 2,500
      // rows 1.. of the table are never used: there the release is noise alone
      if (grad.size(0) == 50) squares[i] += (grad.slice(0, 1) / stddev).square().sum().item<double>();
    }
  }
  const double n = 49.0 * 6 * kDraws;
  for (double sum : squares)
    if (sum > 0) {
      EXPECT_NEAR(sum / n, 1.0, 5 * std::sqrt(2 / n));
    }
  EXPECT_EQ(std::count_if(squares.begin(), squares.end(), [](double s) { return s > 0; }), 1);
}

TEST_F(Engine, NoiseOnTheOtherParametersToo) {
  PrivacyOptions options = usual();
  options.batch_size = 1;
  options.sample_size = 1e9;  // empty draws: noise alone
  const auto made = engine(options);
  std::vector<double> squares(net->parameters().size(), 0.0);
  constexpr int kDraws = 100;
  for (const auto& batch : made->loader(data, kDraws)) {
    step(*made, batch);
    const auto parameters = net->parameters();
    for (size_t i = 0; i < parameters.size(); ++i)
      squares[i] += (parameters[i].grad().to(torch::kDouble) / (1 + 0x1p-10)).square().sum().item<double>();
  }
  const auto parameters = net->parameters();
  for (size_t i = 0; i < squares.size(); ++i) {
    const double n = static_cast<double>(parameters[i].numel()) * kDraws;
    EXPECT_NEAR(squares[i] / n, 1.0, 5 * std::sqrt(2 / n));
  }
}

TEST_F(Engine, ChargesEachReleaseBeforeItIsMade) {
  std::vector<int64_t> charged;
  PrivacyOptions options = usual();
  options.steps_before = 7;
  options.charge = [&](int64_t number) {
    if (number > 9) throw Error(ErrorKind::kBudgetExhausted, "no budget left");
    charged.push_back(number);
  };
  const auto made = engine(options);
  EXPECT_EQ(message_of([&] {
              for (const auto& batch : made->loader(data, 5)) step(*made, batch);
            }),
            "no budget left");
  EXPECT_EQ(charged, (std::vector<int64_t>{8, 9}));
  EXPECT_EQ(made->steps(), 9);
  EXPECT_FALSE(net->first->weight.grad().defined());
  EXPECT_DOUBLE_EQ(made->epsilon(1e-5),
                   rdp_epsilon(Event::repeated(Event::poisson_sampled(0.1, Event::gaussian(1.0)), 9),
                               Relation::kAddOrRemoveOne, 1e-5));
}

TEST_F(Engine, EpsilonIsThatOfItsRelation) {
  PrivacyOptions options = usual();
  options.relation = Relation::kReplaceOne;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 3)) step(*made, batch);
  EXPECT_EQ(made->epsilon(1e-5), rdp_epsilon(made->event(), Relation::kReplaceOne, 1e-5));
  EXPECT_GT(made->epsilon(1e-5), rdp_epsilon(made->event(), Relation::kAddOrRemoveOne, 1e-5));
}

TEST_F(Engine, ChargesTheLedger) {
  const auto folder = std::filesystem::temp_directory_path() / "discreet_engine_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  PrivacyOptions options = usual();
  options.ledger = (folder / "ledger.db").string();
  options.ledger_dataset = "points";
  options.ledger_steps = 3;
  const auto made = engine(options);
  const std::string stopped = message_of([&] {
    for (const auto& batch : made->loader(data, 5)) step(*made, batch);
  });
  EXPECT_EQ(made->steps(), 3) << stopped;
  const RunRecord run = Ledger::open(options.ledger).run(made->ledger_run());
  EXPECT_EQ(run.charged_steps, 3);
  EXPECT_EQ(run.status, "settled");
  EXPECT_EQ(run.unit, "row");
  EXPECT_NEAR(run.epsilon, made->epsilon(1e-5), 1e-12);
  EXPECT_EQ(run.counted_epsilon(), run.epsilon);
  std::filesystem::remove_all(folder);
}

TEST_F(Engine, ARunIsChargedToOneDataSet) {
  const auto folder = std::filesystem::temp_directory_path() / "discreet_engine_one_data_set_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  PrivacyOptions options = usual();
  options.ledger = (folder / "ledger.db").string();
  options.ledger_dataset = "points";
  options.ledger_steps = 30;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) step(*made, batch);
  for (const auto& batch : made->loader(data, 1)) step(*made, batch);  // the next epoch
  auto other = data;
  other.x_ = data.x_ + 1;
  EXPECT_NE(message_of([&] { made->loader(other, 1); }).find("another data set"), std::string::npos);
  const std::vector<int64_t> units(200, 42);
  EXPECT_NE(message_of([&] { made->loader(data, 1, units); }).find("ledger_unit_column"), std::string::npos);
  EXPECT_EQ(Ledger::open(options.ledger).datasets().size(), 1);
  EXPECT_EQ(Ledger::open(options.ledger).run(made->ledger_run()).status, "reserved");
  std::filesystem::remove_all(folder);
}

TEST_F(Engine, ClipsAUnitAsOneAndKeepsItsRowsTogether) {
  PrivacyOptions options = usual();
  options.noise_multiplier = 1e-6;
  options.batch_size = 1;
  options.sample_size = 1;  // every unit, always
  const auto made = engine(options);
  const std::vector<int64_t> units(200, 42);  // all rows are one person's
  for (const auto& batch : made->loader(data, 1, units)) {
    EXPECT_EQ(batch.data.size(0), 200);
    loss(made->watch(net->forward(batch.data)), batch.target).backward();
  }
  EXPECT_LE(gradients().norm().item<double>(), 1 + 0x1p-10);
  EXPECT_GT(gradients().norm().item<double>(), 0.99);
  EXPECT_EQ(made->counts().units, 1);
}

TEST_F(Engine, IgnoresASampleThatIsNotFinite) {
  PrivacyOptions options = usual();
  options.batch_size = 200;
  data.x_[17].fill_(std::numeric_limits<float>::quiet_NaN());
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) step(*made, batch);
  EXPECT_TRUE(gradients().isfinite().all().item<bool>());
  EXPECT_EQ(made->counts().not_finite, 1);
}

TEST_F(Engine, WorksFromAnyThreadAndInsideAnotherBackward) {
  const auto made = engine();
  Loader loader = made->loader(data, 2);
  auto batch = loader.begin();
  std::thread([&] { step(*made, *batch); }).join();
  EXPECT_EQ(made->steps(), 1);
  ++batch;
  // backward() of the watched loss, called from a hook of another backward (re-entrant twice over)
  Tensor outer = torch::ones({1}).requires_grad_();
  Tensor doubled = outer * 2;
  doubled.register_hook([&](const at::TensorBase&) {
    at::AutoGradMode grad(true);
    step(*made, *batch);
  });
  doubled.sum().backward();
  EXPECT_EQ(made->steps(), 2);
}

TEST_F(Engine, SaysWhetherItIsPrivate) {
  EXPECT_FALSE(engine()->is_private());
  PrivacyOptions options = usual();
  options.seed_for_tests.reset();
  EXPECT_TRUE(engine(options)->is_private());
}

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
  EXPECT_THAT(with([](auto& o) { o.independent_buffers = {"nope"}; }), HasSubstr("no buffer 'nope'"));
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

using Check = Fixture;

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
