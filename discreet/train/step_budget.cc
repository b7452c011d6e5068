#include "discreet/train/step_budget.h"

#include <algorithm>

namespace discreet {

StepBudget::StepBudget(Ledger& ledger, std::string run_id, int64_t planned_steps, int64_t charged)
    : ledger_(ledger), run_id_(std::move(run_id)), planned_steps_(planned_steps), charged_(charged) {}

void StepBudget::before_release(int64_t step) {
  if (step <= charged_) return;
  constexpr double kBlockSeconds = 1.0;
  const auto now = Clock::now();
  if (block_start_ != Clock::time_point{}) {
    // The next block doubles while blocks are short, and shrinks at once when steps become slow.
    const double seconds = std::chrono::duration<double>(now - block_start_).count();
    const double fitting = kBlockSeconds / std::max(seconds, 1e-9) * static_cast<double>(block_steps_);
    block_steps_ = std::clamp<int64_t>(static_cast<int64_t>(fitting), 1, 2 * block_steps_);
  }
  const int64_t up_to = std::min(planned_steps_, step - 1 + block_steps_);
  ledger_.charge_steps(run_id_, up_to);
  charged_ = up_to;
  block_start_ = now;
}

}  // namespace discreet
