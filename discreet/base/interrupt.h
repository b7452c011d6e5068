// Ctrl-C and SIGTERM as a flag that loops look at, so that a run stops between two steps.
#pragma once

namespace discreet {

// While one exists, the first SIGINT or SIGTERM sets the flag and a second SIGINT ends the process at once.
// Restores the former handlers (and clears the flag) when destroyed. At most one exists at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// True once a signal arrived under the present guard.
bool interrupted();

}  // namespace discreet
