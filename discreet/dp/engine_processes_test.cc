// Several processes, played by threads: their releases are those of one process that has all the records.
#include <unistd.h>

#include <cmath>
#include <deque>
#include <filesystem>

#include "discreet/base/lattice_gaussian.h"
#include "discreet/dp/engine_testing.h"
#include "discreet/dp/processes_testing.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::Each;
using testing::HasSubstr;

constexpr int64_t kRows = 60;

PrivacyOptions everyone(double noise_multiplier) {  // each unit is in every draw
  PrivacyOptions options = usual();
  options.batch_size = options.sample_size = kRows;
  options.noise_multiplier = noise_multiplier;
  options.placement = Placement::kWholeOnEach;
  return options;
}

// Draws in which there is nobody.
PrivacyOptions nobody(double noise_multiplier) {
  PrivacyOptions options = everyone(noise_multiplier);
  options.batch_size = 1;
  options.sample_size = 1e12;
  return options;
}

// Rows `rank`, `rank + size`, ... of the data set.
Points part_of(const Points& all, int64_t rank, int64_t size) {
  Points part = all;
  part.x_ = all.x_.slice(0, rank, kRows, size);
  part.y_ = all.y_.slice(0, rank, kRows, size);
  return part;
}

// What one process has: its own copy of the model, its optimizer, and the loop of a user.
struct Trainer {
  Trainer()
      : net(std::make_shared<Net>()),
        optimizer(net->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9)) {}

  void start(PrivacyOptions options, std::shared_ptr<Processes> processes) {
    options.processes = std::move(processes);
    engine.emplace(net, options);
    engine->attach(optimizer);
  }
  void train(Points& data, int64_t draws, const std::vector<int64_t>& units = {}) {
    for (const auto& batch : engine->loader(data, draws, units)) {
      optimizer.zero_grad();
      torch::cross_entropy_loss(engine->watch(net->forward(batch.data)), batch.target).backward();
      if (!net->first->weight.grad().defined()) continue;  // not the last piece
      releases.push_back(flat([](const Tensor& p) { return p.grad(); }));
      optimizer.step();
    }
  }
  Tensor weights() const {
    return flat([](const Tensor& p) { return p.detach(); });
  }
  Tensor flat(const std::function<Tensor(const Tensor&)>& what) const {
    std::vector<Tensor> parts;
    for (const Tensor& p : net->parameters()) parts.push_back(what(p).flatten().to(torch::kDouble));
    return torch::cat(parts);
  }

  std::shared_ptr<Net> net;
  torch::optim::SGD optimizer;
  std::optional<PrivacyEngine> engine;
  std::vector<Tensor> releases;
};

// The trainers of `size` processes; the models start from different weights.
struct Trainers : std::deque<Trainer> {
  explicit Trainers(int64_t size) {
    torch::manual_seed(3);
    for (int64_t rank = 0; rank < size; ++rank) emplace_back();
  }
};

std::vector<int64_t> units_of_three() {
  std::vector<int64_t> units;
  for (int64_t row = 0; row < kRows; ++row) units.push_back(row * 7 % (kRows / 3) * 11);
  return units;
}

// Every row is drawn, so that the sum is known; the noise is too small to see. Rows of a unit stand apart in
// the data set, pieces differ in number between the processes, and with 40 units some of them hold none.
TEST(EngineProcesses, GiveTheClippedSumOfOneProcess) {
  Points data(kRows);
  for (const bool by_unit : {false, true}) {
    const std::vector<int64_t> units = by_unit ? units_of_three() : std::vector<int64_t>();
    Trainers alone(1);
    alone[0].start(everyone(1e-7), nullptr);
    alone[0].train(data, 3, units);
    for (const int64_t size : {1, 2, 4, 25}) {
      Trainers trainers(size);
      const auto said = together(size, [&](std::shared_ptr<Processes> processes) {
        const int64_t rank = processes->rank();
        trainers[rank].start(everyone(1e-7), processes);
        trainers[rank].engine->accumulate(1 + rank % 3);
        trainers[rank].train(data, 3, units);
      });
      EXPECT_THAT(said, Each(""));
      for (const Trainer& trainer : trainers) {
        ASSERT_EQ(trainer.releases.size(), 3);
        for (size_t step = 0; step < 3; ++step)
          EXPECT_LT((trainer.releases[step] - alone[0].releases[step]).norm().item<double>(), 1e-5);
      }
    }
  }
}

TEST(EngineProcesses, GiveTheSameSumFromPartsOfTheirOwn) {
  Points data(kRows);
  Trainers alone(1), trainers(3);
  alone[0].start(everyone(1e-7), nullptr);
  alone[0].train(data, 2);
  const auto said = together(3, [&](std::shared_ptr<Processes> processes) {
    const int64_t rank = processes->rank();
    PrivacyOptions options = everyone(1e-7);
    options.placement = Placement::kPartOnEach;
    Points part = part_of(data, rank, 3);
    trainers[rank].start(options, processes);
    trainers[rank].train(part, 2);
  });
  EXPECT_THAT(said, Each(""));
  for (const Trainer& trainer : trainers)
    EXPECT_LT((trainer.releases.at(1) - alone[0].releases[1]).norm().item<double>(), 1e-5);
}

// The count that the clip follows is of all processes' units, and its noise is drawn once.
TEST(EngineProcesses, FollowOneAdaptiveClip) {
  Points data(kRows);
  PrivacyOptions options = everyone(1e-7);
  options.adaptive_clipping = AdaptiveClipping{.target_quantile = 0.3, .count_noise_multiplier = 1e-5};
  Trainers alone(1), trainers(3);
  alone[0].start(options, nullptr);
  alone[0].train(data, 4);
  const auto said = together(3, [&](std::shared_ptr<Processes> processes) {
    const int64_t rank = processes->rank();
    trainers[rank].start(options, processes);
    trainers[rank].train(data, 4);
  });
  EXPECT_THAT(said, Each(""));
  EXPECT_GT(std::abs(std::log(alone[0].engine->max_grad_norm() / options.max_grad_norm)), 0.02);
  for (const Trainer& trainer : trainers) {
    EXPECT_EQ(trainer.engine->max_grad_norm(), trainers[0].engine->max_grad_norm());
    EXPECT_NEAR(trainer.engine->max_grad_norm(), alone[0].engine->max_grad_norm(), 1e-4);
  }
}

// The mean square of n normals lies within 7 sqrt(2 / n) of 1 but for a chance below 1e-11. Noise of each
// process would make it 2, noise of none 0.
TEST(EngineProcesses, AddNoiseOnceOnTheLattice) {
  Points data(kRows);
  Trainers trainers(2);
  // The lattice of half the variance is finer: a release that was rounded in shares does not lie on this one.
  const double stddev = 1 * (1 + 0x1p-10);
  ASSERT_LT(lattice_step(stddev / std::sqrt(2)), lattice_step(stddev));
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    trainers[processes->rank()].start(nobody(1), processes);
    trainers[processes->rank()].train(data, 60);
  });
  EXPECT_THAT(said, Each(""));
  const Tensor released = torch::stack(trainers[1].releases) / stddev;
  const auto n = static_cast<double>(released.numel());
  EXPECT_NEAR(released.square().mean().item<double>(), 1, 7 * std::sqrt(2 / n));
  const Tensor steps = released * stddev / lattice_step(stddev);
  EXPECT_EQ((steps != steps.round()).sum().item<int64_t>(), 0);
}

// The noise of process 0 and nothing else: bit for bit what one process releases from the same stream.
TEST(EngineProcesses, ReleaseFromNobodyWhatOneProcessDoes) {
  Points data(kRows);
  Trainers alone(1), trainers(2);
  PrivacyOptions options = nobody(1);
  options.seed_for_tests = 10;  // process 0 of 2 with seed 5 has the streams of one process with seed 10
  alone[0].start(options, nullptr);
  alone[0].train(data, 3);
  options.seed_for_tests = 5;
  together(2, [&](std::shared_ptr<Processes> processes) {
    trainers[processes->rank()].start(options, processes);
    trainers[processes->rank()].train(data, 3);
  });
  for (const Trainer& trainer : trainers)
    for (size_t step = 0; step < 3; ++step)
      EXPECT_TRUE(trainer.releases.at(step).equal(alone[0].releases[step]));
}

TEST(EngineProcesses, KeepOneModel) {
  Points data(kRows);
  Trainers trainers(3);
  const Tensor first = trainers[0].weights();
  EXPECT_FALSE(trainers[1].weights().equal(first));
  for (Trainer& trainer : trainers) {
    trainer.net->register_buffer("constant", torch::rand({2}));
  }
  const auto said = together(3, [&](std::shared_ptr<Processes> processes) {
    Trainer& trainer = trainers[processes->rank()];
    PrivacyOptions options = usual();
    options.placement = Placement::kWholeOnEach;
    trainer.start(options, processes);
    EXPECT_TRUE(trainer.weights().equal(first));
    trainer.train(data, 40);
    trainer.train(data, 10);
    EXPECT_FALSE(trainer.engine->is_private());
    EXPECT_EQ(trainer.engine->steps(), 50);
  });
  EXPECT_THAT(said, Each(""));
  for (const Trainer& trainer : trainers) {
    EXPECT_TRUE(trainer.weights().equal(trainers[0].weights()));
    EXPECT_TRUE(trainer.net->named_buffers()["constant"].equal(trainers[0].net->named_buffers()["constant"]));
    for (size_t step = 0; step < 50; ++step)
      EXPECT_TRUE(trainer.releases[step].equal(trainers[0].releases[step]));
  }
}

// Under a test seed too: else the second process would draw the places that the first one draws.
TEST(EngineProcesses, DrawIndependently) {
  Points data(kRows);
  Trainers trainers(2);
  std::vector<std::string> sizes(2);
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    Trainer& trainer = trainers[processes->rank()];
    PrivacyOptions options = usual();
    options.batch_size = kRows / 2;
    options.sample_size = kRows;
    options.placement = Placement::kWholeOnEach;
    trainer.start(options, processes);
    for (const auto& batch : trainer.engine->loader(data, 30)) {
      sizes[processes->rank()] += std::to_string(batch.data.size(0)) + " ";
      torch::cross_entropy_loss(trainer.engine->watch(trainer.net->forward(batch.data)), batch.target)
          .backward();
    }
  });
  EXPECT_THAT(said, Each(""));
  EXPECT_NE(sizes[0], sizes[1]);
}

TEST(EngineProcesses, ChargeOnceAndBeforeTheRelease) {
  Points data(kRows);
  Trainers trainers(2);
  std::vector<int64_t> charged(2, 0), grads(2, 0);
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    const int64_t rank = processes->rank();
    PrivacyOptions options = everyone(1);
    options.charge = [&, rank](int64_t step) {
      ++charged[rank];
      EXPECT_EQ(step, charged[rank]);
      if (step == 3) throw Error(ErrorKind::kBudgetExhausted, "the ledger says no");
    };
    trainers[rank].start(options, processes);
    trainers[rank].train(data, 5);
  });
  EXPECT_THAT(said[0], HasSubstr("the ledger says no"));
  EXPECT_THAT(said[1], HasSubstr("process 0 could not charge or release step 3"));
  EXPECT_EQ(charged, (std::vector<int64_t>{3, 0}));
  for (Trainer& trainer : trainers) {
    EXPECT_EQ(trainer.releases.size(), 2);
    EXPECT_EQ(trainer.engine->steps(), 2);
    EXPECT_FALSE(trainer.net->first->weight.grad().defined());
  }
}

TEST(EngineProcesses, ChargeTheLedgerOfProcessZero) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("discreet_engine_processes_" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  Points data(kRows);
  Trainers trainers(2);
  PrivacyOptions options = everyone(1);
  options.ledger = (folder / "ledger.db").string();
  options.ledger_dataset = "points";
  options.ledger_steps = 3;
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    PrivacyOptions mine = options;
    if (processes->rank() == 1) mine.ledger = "/no/such/folder/ledger.db";  // never opened
    trainers[processes->rank()].start(mine, processes);
    trainers[processes->rank()].train(data, 4);
  });
  EXPECT_THAT(said[0], HasSubstr("is settled"));  // there is no fourth
  EXPECT_THAT(said[1], HasSubstr("process 0 could not charge or release step 4"));
  const RunRecord run = Ledger::open(options.ledger).run(trainers[0].engine->ledger_run());
  EXPECT_EQ(run.charged_steps, 3);
  EXPECT_EQ(run.status, "settled");
  EXPECT_EQ(trainers[1].releases.size(), 3);

  Trainer part;
  options.placement = Placement::kPartOnEach;
  EXPECT_THAT(message_of([&] {
                Meeting nobody_else(1);
                part.start(options, std::make_shared<ThreadProcesses>(nobody_else, 0));
              }),
              HasSubstr("recognises a data set by the whole of it"));
  std::filesystem::remove_all(folder);
}

// A ledger that refuses the whole run stops all of them before the first draw.
TEST(EngineProcesses, StopTogetherWhereTheRunIsNotAdmitted) {
  Points data(kRows);
  Trainers trainers(2);
  PrivacyOptions options = everyone(1);
  options.ledger = "/no/such/folder/ledger.db";
  options.ledger_dataset = "points";
  options.ledger_steps = 3;
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    trainers[processes->rank()].start(options, processes);
    trainers[processes->rank()].train(data, 3);
  });
  EXPECT_THAT(said[0], HasSubstr("/no/such/folder"));
  EXPECT_THAT(said[1], HasSubstr("process 0 could not enter the run in the ledger"));
}

TEST(EngineProcesses, OneThatIsLostStopsAll) {
  Points data(kRows);
  Trainers trainers(3);
  int64_t charged = 0;
  const auto said = together(3, [&](std::shared_ptr<Processes> processes) {
    PrivacyOptions options = everyone(1);
    options.charge = [&](int64_t) { ++charged; };
    trainers[processes->rank()].start(options, processes);
    for (int64_t rank = 0; const auto& batch : trainers[processes->rank()].engine->loader(data, 5)) {
      if (processes->rank() == 1 && ++rank == 3) throw std::runtime_error("out of memory");
      torch::cross_entropy_loss(
          trainers[processes->rank()].engine->watch(trainers[processes->rank()].net->forward(batch.data)),
          batch.target)
          .backward();
    }
  });
  EXPECT_EQ(said, (std::vector<std::string>{"a process was lost", "out of memory", "a process was lost"}));
  EXPECT_EQ(charged, 2);
  for (const int64_t rank : {0, 2}) {
    EXPECT_EQ(trainers[rank].engine->steps(), 2);
    EXPECT_FALSE(trainers[rank].net->first->weight.grad().defined());
  }
}

// Its part reached the others, its own answer never came.
class AnswerLost : public ThreadProcesses {
 public:
  AnswerLost(Meeting& meeting, int64_t rank, int64_t numel) : ThreadProcesses(meeting, rank), numel_(numel) {}
  void sum(at::Tensor values) override {
    ThreadProcesses::sum(values);
    if (rank() == 1 && values.numel() == numel_) throw Error(ErrorKind::kUnavailable, "the answer was lost");
  }

 private:
  int64_t numel_;
};

// Process 0 had all that it needs to charge the step: every process counts it.
TEST(EngineProcesses, AStepThatMayHaveBeenChargedCounts) {
  Points data(kRows);
  Trainers trainers(2);
  int64_t charged = 0;
  Meeting meeting(2);
  const int64_t numel = trainers[0].weights().numel() + 1;  // of the clipped sum and its count
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    const int64_t rank = processes->rank();
    PrivacyOptions options = everyone(1);
    options.charge = [&](int64_t step) { charged = step; };
    trainers[rank].start(options, std::make_shared<AnswerLost>(meeting, rank, numel));
    try {
      trainers[rank].train(data, 3);
    } catch (...) {
      meeting.leave();
      throw;
    }
  });
  EXPECT_EQ(said[1], "the answer was lost");
  EXPECT_NE(said[0], "");
  EXPECT_EQ(charged, 1);
  for (const int64_t rank : {0, 1}) EXPECT_EQ(trainers[rank].engine->steps(), 1);
}

TEST(EngineProcesses, DisagreementsStopAllBeforeTheFirstDraw) {
  const std::vector<std::pair<std::string, std::function<void(PrivacyOptions&)>>> changes = {
      {"batch_size", [](PrivacyOptions& o) { o.batch_size = 7; }},
      {"sample_size", [](PrivacyOptions& o) { o.sample_size += 0.5; }},
      {"noise_multiplier", [](PrivacyOptions& o) { o.noise_multiplier = 2; }},
      {"max_grad_norm", [](PrivacyOptions& o) { o.max_grad_norm = 0.5; }},
      {"loss_reduction", [](PrivacyOptions& o) { o.loss_reduction = Reduction::kSum; }},
      {"relation", [](PrivacyOptions& o) { o.relation = Relation::kReplaceOne; }},
      {"adaptive_clipping.target_quantile, adaptive_clipping.learning_rate, "
       "adaptive_clipping.count_noise_multiplier",
       [](PrivacyOptions& o) { o.adaptive_clipping.emplace(); }},
      {"unaccounted", [](PrivacyOptions& o) { o.unaccounted = true; }},
      {"steps_before", [](PrivacyOptions& o) { o.steps_before = 1; }},
      {"placement", [](PrivacyOptions& o) { o.placement = Placement::kPartOnEach; }},
      {"ledger_steps", [](PrivacyOptions& o) { o.ledger_steps = 9; }},
      {"ledger_delta", [](PrivacyOptions& o) { o.ledger_delta = 1e-6; }},
      {"seed_for_tests", [](PrivacyOptions& o) { o.seed_for_tests.reset(); }},
  };
  for (const auto& [name, change] : changes) {
    Trainers trainers(2);
    const auto said = together(2, [&, &changed = change](std::shared_ptr<Processes> processes) {
      PrivacyOptions options = everyone(1);
      if (processes->rank() == 1) changed(options);
      trainers[processes->rank()].start(options, processes);
    });
    EXPECT_THAT(said, Each(HasSubstr("the processes disagree about " + name + ":")));
  }
  Trainers trainers(2);
  trainers[1].net->first->bias.requires_grad_(false);
  EXPECT_THAT(together(2,
                       [&](std::shared_ptr<Processes> processes) {
                         trainers[processes->rank()].start(everyone(1), processes);
                       }),
              Each(HasSubstr("disagree about the model:")));
  PrivacyOptions undeclared = everyone(1);
  undeclared.placement = Placement::kUndeclared;
  EXPECT_THAT(together(2,
                       [&](std::shared_ptr<Processes> processes) {
                         trainers[processes->rank()].start(undeclared, processes);
                       }),
              Each(HasSubstr("placement must be declared")));
}

// What would put a unit on two processes, so that it adds more than the sensitivity says.
TEST(EngineProcesses, UnitsOnTwoProcessesAreRefused) {
  const Points data(kRows);
  const auto said = [&](Placement placement, const std::function<Points(int64_t)>& data_of,
                        const std::function<std::vector<int64_t>(int64_t)>& units_of_process,
                        const std::function<int64_t(int64_t)>& draws) {
    Trainers trainers(2);
    const auto messages = together(2, [&](std::shared_ptr<Processes> processes) {
      const int64_t rank = processes->rank();
      PrivacyOptions options = everyone(1);
      options.placement = placement;
      Points mine = data_of(rank);
      trainers[rank].start(options, processes);
      trainers[rank].train(mine, draws(rank), units_of_process(rank));
    });
    EXPECT_EQ(messages[0], messages[1]);
    return messages[0];
  };
  const auto all = [&](int64_t) { return data; };
  const auto no_units = [](int64_t) { return std::vector<int64_t>(); };
  const auto two = [](int64_t) { return int64_t{2}; };
  const auto half = [&](int64_t rank) { return part_of(data, rank, 2); };
  const auto shuffled = [&](int64_t rank) {
    Points mine = data;
    if (rank == 1) mine.x_ = data.x_.flip(0), mine.y_ = data.y_.flip(0);
    return mine;
  };
  const auto shared_unit = [](int64_t rank) {
    std::vector<int64_t> units;
    for (int64_t row = 0; row < kRows / 2; ++row) units.push_back(row + 29 * rank);
    return units;
  };
  const auto whole = Placement::kWholeOnEach, part = Placement::kPartOnEach;
  EXPECT_EQ(said(whole, all, no_units, two), "");
  EXPECT_EQ(said(part, half, no_units, two), "");
  EXPECT_THAT(said(whole, shuffled, no_units, two), HasSubstr("disagree about the records and their order:"));
  EXPECT_THAT(said(whole, half, no_units, two), HasSubstr("disagree about the records and their order:"));
  EXPECT_THAT(said(
                  whole, all, [](int64_t rank) { return std::vector<int64_t>(kRows, rank); }, two),
              HasSubstr("disagree about the units:"));
  EXPECT_THAT(said(part, all, no_units, two), HasSubstr("processes 0 and 1 have a record in common"));
  EXPECT_THAT(said(part, half, shared_unit, two), HasSubstr("processes 0 and 1 have rows of one unit"));
  EXPECT_THAT(said(whole, all, no_units, [](int64_t rank) { return 2 + rank; }),
              HasSubstr("disagree about the number of draws:"));
}

// One process with the first loader and one with the second could both draw one unit.
TEST(EngineProcesses, OnlyTheLatestLoaderIsDrawnFrom) {
  Points data(kRows);
  Trainers trainers(2);
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    Trainer& trainer = trainers[processes->rank()];
    trainer.start(everyone(1), processes);
    Loader first = trainer.engine->loader(data, 2, units_of_three());
    Loader second = trainer.engine->loader(data, 2);
    EXPECT_THAT(message_of([&] { first.begin(); }), HasSubstr("only the loader that was made last"));
    second.begin();
  });
  EXPECT_THAT(said, Each(""));
}

TEST(EngineProcesses, ModelsThatDriftApartAreNoticed) {
  Points data(kRows);
  Trainers trainers(2);
  trainers[1].optimizer.param_groups()[0].options().set_lr(0.2);
  const auto said = together(2, [&](std::shared_ptr<Processes> processes) {
    trainers[processes->rank()].start(everyone(1), processes);
    trainers[processes->rank()].train(data, 100);
  });
  EXPECT_THAT(said, Each(HasSubstr("disagree about the parameters:")));
  EXPECT_LT(trainers[0].releases.size(), 16);
}

}  // namespace
}  // namespace discreet
