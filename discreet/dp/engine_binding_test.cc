// What an engine in another language is built on: draws as numbers of rows, errors inside of backward(),
// batches of any origin for tests, a draw that is given up, a run that goes on in a ledger.
#include <filesystem>
#include <numeric>
#include <stdexcept>

#include "discreet/dp/engine_testing.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

struct Binding : EngineFixture {
  Rows rows() {
    return {200, {}, [this](const Rows::Visit& visit) {
              for (int64_t i = 0; i < 200; ++i) visit(std::to_string(data.x_[i][0].item<float>()));
            }};
  }
  // One step on the rows of a piece.
  void step_on(PrivacyEngine& made, const DrawPiece& piece) {
    const bool nobody = piece.rows.empty();
    const Tensor numbers = nobody ? torch::zeros({1}, torch::kLong) : torch::tensor(piece.rows, torch::kLong);
    step(made, {data.x_.index_select(0, numbers), data.y_.index_select(0, numbers)});
  }
};

TEST_F(Binding, PiecesAreTheLoadersDraws) {
  const auto made = engine();
  std::vector<int64_t> sizes;
  for (const auto& batch : made->loader(data, 4)) {
    sizes.push_back(batch.data.size(0));
    step(*made, batch);
  }
  net = std::make_shared<Net>();
  torch::optim::SGD its(net->parameters(), 0.1);
  PrivacyEngine other(net, usual());
  other.attach(its);
  Pieces pieces = other.pieces(rows(), 4);
  EXPECT_EQ(pieces.size(), 4);
  std::vector<int64_t> drawn;
  while (const DrawPiece* piece = pieces.next()) {
    drawn.push_back(std::max<int64_t>(1, static_cast<int64_t>(piece->rows.size())));
    EXPECT_EQ(other.handed_out(), drawn.back());
    step_on(other, *piece);
    EXPECT_EQ(other.handed_out(), 0);
  }
  EXPECT_EQ(drawn, sizes);            // the same test seed
  EXPECT_NE(pieces.next(), nullptr);  // another pass
}

TEST_F(Binding, ErrorsInsideOfBackwardAreTheBindings) {
  PrivacyOptions options = usual();
  int64_t calls = 0;
  options.in_backward = [&](const std::function<void()>& work) {
    ++calls;
    try {
      work();
    } catch (const Error& error) {
      throw std::domain_error(std::string("mine: ") + error.what());
    }
  };
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) {
    const Tensor out = made->watch(net->forward(batch.data));
    const Tensor value = loss(out, batch.target) + net->first->weight.norm();
    try {
      value.backward({}, /*keep_graph=*/true);
      ADD_FAILURE() << "no error";
    } catch (const std::domain_error& error) {
      EXPECT_THAT(error.what(), HasSubstr("mine: a gradient reached parameter 'first.weight'"));
    }
  }
  EXPECT_GE(calls, 1);
}

TEST_F(Binding, BatchesOfAnyOriginOnlyWhenNothingIsAccountedFor) {
  EXPECT_THAT(message_of([&] { engine()->hand_in(3); }), HasSubstr("unaccounted"));
  PrivacyOptions options = usual();
  options.unaccounted = true;
  options.noise_multiplier = 0;
  options.max_grad_norm = 1e6;  // nothing is clipped
  const Tensor x = data.x_.slice(0, 0, 7), y = data.y_.slice(0, 0, 7);
  const Tensor expected =
      torch::autograd::grad({torch::cross_entropy_loss(net->forward(x), y, {}, at::Reduction::Sum)},
                            {net->first->weight})[0] /
      20;
  const auto made = engine(options);
  made->hand_in(7);
  EXPECT_THAT(message_of([&] { made->hand_in(7); }), HasSubstr("not used"));
  loss(made->watch(net->forward(x)), y).backward();
  EXPECT_TRUE(torch::allclose(net->first->weight.grad(), expected, 1e-4, 1e-7));
  EXPECT_EQ(made->steps(), 1);
  EXPECT_FALSE(made->is_private());
  EXPECT_THAT(message_of([&] { made->epsilon(1e-5); }), HasSubstr("no epsilon"));
  options.ledger = "anywhere";
  EXPECT_THAT(message_of([&] { PrivacyEngine refused(net, options); }), HasSubstr("unaccounted"));
}

TEST_F(Binding, OutputsAreEnoughAfterTheLook) {
  PrivacyOptions options = usual();
  options.unaccounted = true;
  options.check_first_batch = true;
  const auto made = engine(options);
  for (const int64_t rows : {1, 2, 3, 8}) {  // too few to show all
    made->hand_in(rows);
    EXPECT_TRUE(made->needs_model()) << rows;
    loss(made->watch(net, data.x_.slice(0, 0, rows)), data.y_.slice(0, 0, rows)).backward();
  }
  made->hand_in(9);
  EXPECT_FALSE(made->needs_model());
  loss(made->watch(net->forward(data.x_.slice(0, 0, 9))), data.y_.slice(0, 0, 9)).backward();
  EXPECT_EQ(made->steps(), 5);

  options.check_first_batch = false;
  const auto without_look = engine(options);
  without_look->hand_in(9);
  EXPECT_FALSE(without_look->needs_model());
  options.grad_mode = GradMode::kExactSlow;
  const auto slow = engine(options);
  slow->hand_in(9);
  EXPECT_TRUE(slow->needs_model());
}

TEST_F(Binding, ALookBeforeTheOptimizersStep) {
  const auto made = engine();
  for (const auto& batch : made->loader(data, 1)) {
    const Tensor out = made->watch(net->forward(batch.data));
    EXPECT_THAT(message_of([&] { made->before_step(); }), HasSubstr("before backward()"));
    loss(out, batch.target).backward();
    made->before_step();
    {
      const at::NoGradGuard no_grad;
      net->first->weight.mutable_grad().mul_(2);
    }
    EXPECT_THAT(message_of([&] { made->before_step(); }), HasSubstr("'first.weight' was changed"));
    optimizer.zero_grad();
  }
}

TEST_F(Binding, ADrawThatIsGivenUpIsCharged) {
  PrivacyOptions options = usual();
  std::vector<int64_t> charged;
  options.charge = [&](int64_t number) { charged.push_back(number); };
  const auto made = engine(options);
  made->accumulate(2);
  Pieces pieces = made->pieces(rows(), 3);
  made->forfeit();  // there is nothing to give up
  EXPECT_TRUE(charged.empty());
  const DrawPiece* piece = pieces.next();
  step_on(*made, *piece);  // its second piece is never handed out
  made->forfeit();
  EXPECT_EQ(charged, std::vector<int64_t>{1});
  EXPECT_EQ(made->steps(), 1);
  EXPECT_FALSE(net->first->weight.grad().defined());
  step_on(*made, *pieces.next());
  step_on(*made, *pieces.next());
  EXPECT_EQ(charged, (std::vector<int64_t>{1, 2}));
  // What was clipped of the draw that was given up is in no later release: gradients are those of a fresh
  // sum.
  EXPECT_TRUE(net->first->weight.grad().defined());
}

TEST_F(Binding, AParameterThatWasWrittenIsNotForgottenWithTheDraw) {
  const auto made = engine();
  Pieces pieces = made->pieces(rows(), 3);
  step_on(*made, *pieces.next());
  pieces.next();
  {
    const at::NoGradGuard no_grad;
    net->first->weight.add_(1);  // by a forward pass that fails then
  }
  EXPECT_THAT(message_of([&] { made->forfeit(); }), HasSubstr("'first.weight' was written"));
  EXPECT_EQ(made->handed_out(), 0);
  EXPECT_THAT(message_of([&] { pieces.next(); }), HasSubstr("'first.weight' was written"));
}

TEST_F(Binding, NothingOfAGivenUpDrawIsReleasedLater) {
  PrivacyOptions options = usual();
  options.unaccounted = true;
  options.noise_multiplier = 0;
  const auto made = engine(options);
  made->accumulate(2);
  made->hand_in(5);
  loss(made->watch(net->forward(data.x_.slice(0, 0, 5))), data.y_.slice(0, 0, 5)).backward();
  made->forfeit();
  const Tensor nothing = torch::zeros({1, 4});
  for (int piece = 0; piece < 2; ++piece) {
    made->hand_in(1);
    (made->watch(net->forward(nothing)).sum() * 0).backward();
  }
  EXPECT_EQ(gradients().abs().max().item<double>(), 0);
}

TEST_F(Binding, ARunGoesOnInItsLedger) {
  const auto folder = std::filesystem::temp_directory_path() / "discreet_engine_binding_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  PrivacyOptions options = usual();
  options.ledger = (folder / "ledger.db").string();
  options.ledger_dataset = "points";
  options.ledger_steps = 4;
  auto made = engine(options);
  for (const auto& batch : made->loader(data, 2)) step(*made, batch);
  const std::string run = made->ledger_run();
  made.reset();

  options.steps_before = 1;  // one step was charged and then lost
  EXPECT_THAT(message_of([&] { PrivacyEngine refused(net, options); }), HasSubstr("steps_before"));
  options.ledger_run = run;
  made = engine(options);
  auto other = data;
  other.x_ = data.x_ + 1;
  EXPECT_THAT(message_of([&] { made->loader(other, 1); }), HasSubstr("another data set"));
  for (const auto& batch : made->loader(data, 2)) step(*made, batch);
  EXPECT_EQ(made->steps(), 4);
  EXPECT_EQ(Ledger::open(options.ledger).run(run).status, "settled");

  made = engine(options);
  EXPECT_THAT(message_of([&] { made->loader(data, 1); }), HasSubstr("is over (settled)"));
  std::filesystem::remove_all(folder);
}

TEST_F(Binding, ARunGoesOnAsTheSameTraining) {
  const auto folder = std::filesystem::temp_directory_path() / "discreet_engine_binding_same_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  PrivacyOptions options = usual();
  options.ledger = (folder / "ledger.db").string();
  options.ledger_dataset = "points";
  options.ledger_steps = 4;
  auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) step(*made, batch);
  options.ledger_run = made->ledger_run();
  made.reset();
  const auto refusal = [&](auto change) {
    PrivacyOptions changed = options;
    change(changed);
    const auto another = engine(changed);
    return message_of([&] { another->loader(data, 1); });
  };
  EXPECT_THAT(refusal([](auto& o) { o.noise_multiplier = 0.9; }), HasSubstr("is another training"));
  EXPECT_THAT(refusal([](auto& o) { o.batch_size = 10; }), HasSubstr("is another training"));
  EXPECT_THAT(refusal([](auto& o) { o.ledger_steps = 5; }), HasSubstr("is another training"));
  EXPECT_THAT(refusal([](auto& o) { o.relation = Relation::kReplaceOne; }), HasSubstr("is another training"));
  EXPECT_THAT(refusal([](auto& o) { o.steps_before = 3; }), HasSubstr("fewer charged steps"));
  EXPECT_THAT(refusal([](auto& o) { o.ledger_run = "nothing"; }), HasSubstr("nothing"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace discreet
