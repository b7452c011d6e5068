// StepBudget: charges steps in the ledger before they are released, in short blocks, so that a charge is
// durable before its step and a ledger on disk does not slow down fast steps.
//
// A block is charged ahead and then run to its end; if the process dies inside it, its steps stay charged and
// are lost, never repeated. Blocks are sized to about one second of steps, so that is what a crash costs
// here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "discreet/store/ledger.h"

namespace discreet {

class StepBudget {
 public:
  // `charged`: steps of the plan that the ledger has charged already.
  StepBudget(Ledger& ledger, std::string run_id, int64_t planned_steps, int64_t charged);

  // Before the release of step number `step` (counted from 1, never going back). Throws what the ledger
  // throws; then nothing may be released.
  void before_release(int64_t step);

  // True where everything charged was released: the moment for a checkpoint or a stop.
  bool at_block_end(int64_t released) const { return released >= charged_; }

 private:
  using Clock = std::chrono::steady_clock;
  Ledger& ledger_;
  std::string run_id_;
  int64_t planned_steps_, charged_;
  int64_t block_steps_ = 1;
  Clock::time_point block_start_{};
};

}  // namespace discreet
