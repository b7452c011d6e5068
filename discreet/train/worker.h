// One of the processes beside process 0 of a run (workers.h starts them): it opens the same data, takes the
// numbers that only process 0 knows, and makes the same steps. It charges, stores and tells nothing.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "discreet/dp/processes.h"
#include "discreet/train/training_plan.h"

namespace discreet {

// What process 0 has from the ledger. Every process calls exchange(); the others' values become those of
// process 0.
struct SharedStart {
  int64_t attempts = 0;         // at the statistics: the plan's shares follow from it
  double noise_multiplier = 0;  // as recorded: a cap may have raised it
  int64_t charged = 0;          // steps

  void exchange(Processes& processes);
};

// Until the run's last step. `parent`: process 0, with which this process ends, killed if need be; Ctrl-C and
// SIGTERM are for that one to hear. Throws like a run's process 0, and kUnavailable where the others are
// lost.
void work(const std::filesystem::path& package, pid_t parent);

}  // namespace discreet
