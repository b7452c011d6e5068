#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

// at::parallel_for is in a header: compiled without OpenMP it runs on one thread and says nothing.
TEST(Threads, OfLibtorchRunOurKernelsToo) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) {
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  at::set_num_threads(threads);
  EXPECT_EQ(seen.size(), 2);
}

}  // namespace
}  // namespace discreet
