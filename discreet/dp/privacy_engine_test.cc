#include <cmath>
#include <filesystem>
#include <thread>

#include "discreet/accounting/pld.h"
#include "discreet/dp/engine_testing.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

using Engine = EngineFixture;

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

// A gradient that somebody keeps stays the released one: its memory takes no later sum.
TEST_F(Engine, AReleasedGradientThatIsKeptNeverChanges) {
  const auto made = engine();
  std::vector<Tensor> kept, copies;
  for (const auto& batch : made->loader(data, 6)) {
    loss(made->watch(net->forward(batch.data)), batch.target).backward();  // zero_grad() may write zeros
    const Tensor gradient = net->first->weight.grad();
    kept.push_back(made->steps() % 2 ? gradient : gradient.view({-1}));  // the tensor, or only its memory
    copies.push_back(gradient.clone());
  }
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(torch::equal(kept[i].view_as(copies[i]), copies[i]));
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
                   pld_epsilon(Event::repeated(Event::poisson_sampled(0.1, Event::gaussian(1.0)), 9),
                               Relation::kAddOrRemoveOne, 1e-5)
                       .upper);
}

TEST_F(Engine, EpsilonIsThatOfItsRelation) {
  PrivacyOptions options = usual();
  options.relation = Relation::kReplaceOne;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 3)) step(*made, batch);
  EXPECT_EQ(made->epsilon(1e-5), pld_epsilon(made->event(), Relation::kReplaceOne, 1e-5).upper);
  EXPECT_GT(made->epsilon(1e-5), pld_epsilon(made->event(), Relation::kAddOrRemoveOne, 1e-5).upper);
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

}  // namespace
}  // namespace discreet
