// Gives back to the system what the C library's heap keeps between steps and no step needs.
//
// Steps over draws of different sizes free blocks that seldom fit the next one's: glibc's heap then holds up
// to twice the memory of the largest step. How much a step needs is seen after the first one that began with
// a trimmed heap; as long as the heap holds little more than that, nothing is done.
#pragma once

#include <cstdint>
#include <functional>

namespace discreet {

class HeapTrimmer {
 public:
  // Of this process; never does anything where the C library is not glibc.
  HeapTrimmer();
  // resident: bytes of memory that the process has; trim: gives back what is free.
  HeapTrimmer(std::function<int64_t()> resident, std::function<void()> trim);

  // Between two steps; the first call comes before the first one. `rows`: of the step before, to which the
  // memory of a step is taken to be proportional at most.
  void between_steps(int64_t rows);

 private:
  std::function<int64_t()> resident_;
  std::function<void()> trim_;
  int64_t before_ = -1;    // resident before the first step
  int64_t steps_ = -1;     // since the heap was trimmed; -1: never
  int64_t most_rows_ = 0;  // of those steps
  double needed_ = 0;      // bytes above before_, after the first of those steps
  int64_t needed_rows_ = 1;
};

}  // namespace discreet
