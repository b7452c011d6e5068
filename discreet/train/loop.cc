#include "discreet/train/loop.h"

#include <algorithm>
#include <chrono>

#include "discreet/base/error.h"
#include "discreet/base/interrupt.h"
#include "discreet/base/progress.h"
#include "discreet/base/text.h"
#include "discreet/train/step_budget.h"
#include "discreet/train/steps.h"

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

}  // namespace

LoopResult run_loop(RunFolder& folder, Ledger& ledger, const PreparedData& data, const TrainingPlan& training,
                    std::shared_ptr<Processes> processes) {
  // A kill costs at most what stands between two checkpoints and one block of charges: under 5 seconds.
  // Within that, checkpoints take at most a twentieth of the time.
  constexpr double kLeastSeconds = 1.0, kMostSeconds = 3.0, kShare = 20;
  double checkpoint_seconds = kLeastSeconds;
  const auto start = Clock::now();
  const int64_t planned_steps = *training.plan.steps;
  const int64_t charged = ledger.run(folder.run_id()).charged_steps;
  StepBudget budget(ledger, folder.run_id(), planned_steps, charged);
  Steps steps(
      folder, data, training, charged, [&](int64_t step) { budget.before_release(step); }, processes);

  Progress progress("training", planned_steps);
  EpsilonWords epsilon(steps.engine(), training);
  Clock::time_point last_checkpoint{};  // the first block is kept at once
  steps.run([&] {
    const int64_t position = steps.counters().position;
    progress.update(position, epsilon.at(position));
    if (!budget.at_block_end(position)) return;
    const bool stop = interrupted();
    if (stop || seconds_since(last_checkpoint) >= checkpoint_seconds || position == planned_steps) {
      const auto begun = Clock::now();
      folder.store_checkpoint(steps.checkpoint());
      last_checkpoint = Clock::now();
      checkpoint_seconds = std::clamp(kShare * seconds_since(begun), kLeastSeconds, kMostSeconds);
    }
    if (stop && position < planned_steps) {
      throw Error(ErrorKind::kInterrupted, "stopped after step " + std::to_string(position) + " of " +
                                               std::to_string(planned_steps) +
                                               "; nothing is lost: " + resume_advice(folder.job()));
    }
  });
  progress.finish();
  LoopResult result;
  result.not_finite = steps.not_finite();
  result.network = steps.finish();
  result.counters = steps.counters();
  result.seconds = seconds_since(start);
  return result;
}

}  // namespace discreet
