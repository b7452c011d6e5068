#include "discreet/base/heap_trimmer.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>
#endif

namespace discreet {
namespace {

constexpr double kMore = 1.1;         // of what is needed: what may stay
constexpr double kWorthIt = 8 << 20;  // bytes above that
constexpr int64_t kLeastSteps = 4;    // between two times: the system's pages cost time

#ifdef __GLIBC__
int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  return file >> pages >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

void trim_heap() {
  malloc_trim(0);
}
#endif

}  // namespace

#ifdef __GLIBC__
HeapTrimmer::HeapTrimmer() : HeapTrimmer(resident_bytes, trim_heap) {}
#else
HeapTrimmer::HeapTrimmer() = default;
#endif

HeapTrimmer::HeapTrimmer(std::function<int64_t()> resident, std::function<void()> trim)
    : resident_(std::move(resident)), trim_(std::move(trim)) {}

void HeapTrimmer::between_steps(int64_t rows) {
  if (!resident_) return;
  const int64_t now = resident_();
  if (before_ < 0) {
    before_ = now;
    return;
  }
  const auto risen = static_cast<double>(now - before_);
  bool trim = steps_ < 0;  // the first step may have looked at its batch in other ways too
  if (steps_ >= 0) {
    ++steps_;
    most_rows_ = std::max(most_rows_, rows);
    if (steps_ == 1) {
      needed_ = risen;
      needed_rows_ = std::max<int64_t>(1, rows);
    }
    const double share = static_cast<double>(most_rows_) / static_cast<double>(needed_rows_);
    trim = steps_ >= kLeastSteps && risen > kMore * needed_ * std::max(1.0, share) + kWorthIt;
  }
  if (!trim) return;
  trim_();
  steps_ = 0;
  most_rows_ = 0;
}

}  // namespace discreet
