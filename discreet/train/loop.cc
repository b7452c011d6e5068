#include "discreet/train/loop.h"

#include <algorithm>
#include <chrono>

#include "discreet/base/error.h"
#include "discreet/base/interrupt.h"
#include "discreet/base/progress.h"
#include "discreet/base/text.h"
#include "discreet/dp/privacy_engine.h"
#include "discreet/train/feature_cache.h"
#include "discreet/train/objective.h"
#include "discreet/train/optimizer.h"
#include "discreet/train/schedule.h"
#include "discreet/train/step_budget.h"

namespace discreet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// "epsilon 1.2 of 2.9", computed at most once a second.
class EpsilonWords {
 public:
  EpsilonWords(const PrivacyEngine& engine, const TrainingPlan& training)
      : engine_(engine), training_(training) {}

  const std::string& at(int64_t steps) {
    if (!words_.empty() && seconds_since(last_) < 1.0 && steps < *training_.plan.steps) return words_;
    last_ = Clock::now();
    words_ = "epsilon of training " +
             format_number(engine_.epsilon(training_.plan.shares.training_delta), 3) + " now, " +
             format_number(*training_.plan.training_epsilon, 3) + " at the end";
    return words_;
  }

 private:
  const PrivacyEngine& engine_;
  const TrainingPlan& training_;
  Clock::time_point last_{};
  std::string words_;
};

// Rows in memory at once: large enough for fast products, small enough for little memory.
int64_t piece_rows(const Architecture& architecture) {
  int64_t values = 1;
  for (const int64_t side : architecture.features) values *= side;
  return std::clamp<int64_t>((int64_t{1} << 22) / std::max<int64_t>(values, 1), 64, 1024);
}

// Looks on a few records for what would break the guarantee (PrivacyEngine::check), before the first release.
void check_first_rows(PrivacyEngine& engine, Network& network, const Dataset& records,
                      const Objective& objective) {
  const int64_t rows = std::min<int64_t>(records.size(), 8);
  if (rows < 2) return;
  const torch::Tensor numbers = torch::arange(rows);
  engine.check(
      [&](torch::Tensor x) { return network.forward(x); },
      [&](torch::Tensor output, torch::Tensor target) { return objective.summed_loss(output, target); },
      records.features(numbers), records.targets().index_select(0, numbers));
}

}  // namespace

LoopResult run_loop(RunFolder& folder, Ledger& ledger, const PreparedData& data,
                    const TrainingPlan& training) {
  // A kill costs at most what stands between two checkpoints and one block of charges: under 5 seconds.
  // Within that, checkpoints take at most a twentieth of the time.
  constexpr double kLeastSeconds = 1.0, kMostSeconds = 3.0, kShare = 20;
  double checkpoint_seconds = kLeastSeconds;
  const TrainJob& job = folder.job();
  const auto start = Clock::now();
  const int64_t planned_steps = *training.plan.steps;

  if (job.seed_for_tests) torch::manual_seed(*job.seed_for_tests);
  auto network = std::make_shared<Network>(training.architecture);
  network->train();
  std::vector<torch::Tensor> weights = network->parameters();
  const auto optimizer =
      make_optimizer(training.optimizer, weights, training.learning_rate, training.momentum);
  TailAverage average(training.averaging, planned_steps);
  const Schedule& schedule = find_schedule(training.schedule);
  const Objective& objective = objective_of(data);

  LoopResult result;
  Counters& counters = result.counters;
  const int64_t charged = ledger.run(folder.run_id()).charged_steps;
  if (const auto bytes = folder.checkpoint()) load_checkpoint(*bytes, weights, *optimizer, average, counters);
  if (charged < counters.position) {
    throw Error(ErrorKind::kDataLoss,
                folder.path().string() +
                    ": the ledger has charged fewer steps than the checkpoint holds; it was set back");
  }
  // Charged, but not in the checkpoint: lost, and never repeated.
  counters.lost += charged - counters.position;
  counters.position = charged;
  if (counters.lost == planned_steps) {
    throw Error(
        ErrorKind::kBudgetExhausted,
        folder.path().string() +
            ": every step was charged and lost in crashes; there is nothing to publish, start a new run");
  }

  const std::string advice = "go on with `discreet train --resume " + job.out.string() + "`";
  const FeatureCache records(*data.train, *network, "features", advice);
  StepBudget budget(ledger, folder.run_id(), planned_steps, charged);
  const int64_t rows_at_once = piece_rows(network->architecture());
  const int64_t pieces = 1 + *training.plan.batch_size / rows_at_once;
  PrivacyEngine engine(network,
                       {.batch_size = *training.plan.batch_size,
                        .sample_size = *training.plan.sample_size,
                        .noise_multiplier = *training.plan.noise_multiplier,
                        .max_grad_norm = training.max_grad_norm,
                        .loss_reduction = Reduction::kSum,
                        .relation = job.relation,
                        .steps_before = counters.position,
                        .charge = [&](int64_t step) { budget.before_release(step); },
                        // A resumed run never repeats a draw or its noise: the kernel's randomness is fresh,
                        // and a test seed is mixed with the number of charges.
                        .seed_for_tests = job.seed_for_tests ? std::optional(*job.seed_for_tests * 1000003 +
                                                                             static_cast<uint64_t>(charged))
                                                             : std::nullopt});
  engine.attach(*optimizer);
  engine.accumulate(pieces);
  check_first_rows(engine, *network, records, objective);

  Progress progress("training", planned_steps);
  EpsilonWords epsilon(engine, training);
  Clock::time_point last_checkpoint{};  // the first block is kept at once
  int64_t piece = 0, rows = 0;
  double loss = 0;
  std::optional<Loader> loader;
  if (counters.position < planned_steps)
    loader.emplace(engine.loader(records, planned_steps - counters.position));
  for (auto batches = loader ? std::optional(loader->begin()) : std::nullopt;
       batches && *batches != loader->end(); ++*batches) {
    const Batch& batch = **batches;
    optimizer->zero_grad();
    const torch::Tensor output = engine.watch(network->forward(batch.data));
    const torch::Tensor summed = objective.summed_loss(output, batch.target);
    summed.backward();
    loss += summed.item<double>();
    rows += batch.data.size(0);
    if (++piece < pieces) continue;

    const double done = static_cast<double>(counters.position) / static_cast<double>(planned_steps);
    set_learning_rate(*optimizer, training.learning_rate * schedule.factor(done));
    optimizer->step();
    average.add(counters.position, weights);
    ++counters.position;
    counters.loss_curve.push_back(rows > 0 ? loss / static_cast<double>(rows) : 0.0);
    piece = rows = 0;
    loss = 0;
    progress.update(counters.position, epsilon.at(counters.position));

    if (!budget.at_block_end(counters.position)) continue;
    const bool stop = interrupted();
    if (stop || seconds_since(last_checkpoint) >= checkpoint_seconds || counters.position == planned_steps) {
      const auto begun = Clock::now();
      folder.store_checkpoint(save_checkpoint(weights, *optimizer, average, counters));
      last_checkpoint = Clock::now();
      checkpoint_seconds = std::clamp(kShare * seconds_since(begun), kLeastSeconds, kMostSeconds);
    }
    if (stop && counters.position < planned_steps) {
      throw Error(ErrorKind::kInterrupted, "stopped after step " + std::to_string(counters.position) +
                                               " of " + std::to_string(planned_steps) +
                                               "; nothing is lost: " + advice);
    }
  }
  progress.finish();
  average.apply(weights);
  network->eval();
  result.network = network;
  result.seconds = seconds_since(start);
  result.not_finite = engine.counts().not_finite;
  return result;
}

}  // namespace discreet
