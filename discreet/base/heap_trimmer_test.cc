#include "discreet/base/heap_trimmer.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <vector>

namespace discreet {
namespace {

constexpr int64_t kMiB = 1 << 20;

// A process whose memory the test sets.
class HeapTrimmerTest : public testing::Test {
 protected:
  void step(int64_t rows, int64_t mib) {
    resident_ = mib * kMiB;
    trimmer_.between_steps(rows);
  }
  // Before the first step 100 MiB; then 80 MiB more in a step of 10 rows, begun with a trimmed heap.
  void begin() {
    step(0, 100);
    step(10, 300);
    EXPECT_EQ(times_, 1);  // after the first step, whatever it took
    step(10, 180);
  }

  int64_t resident_ = 0;
  int times_ = 0;
  HeapTrimmer trimmer_{[this] { return resident_; }, [this] { ++times_; }};
};

TEST_F(HeapTrimmerTest, StepsThatTakeWhatTheyNeedAreLeftAlone) {
  begin();
  for (int i = 0; i < 50; ++i) step(10, 180 + 8);
  EXPECT_EQ(times_, 1);
}

TEST_F(HeapTrimmerTest, AHeapThatGrowsIsTrimmed) {
  begin();
  for (int i = 0; i < 3; ++i) step(10, 180);
  EXPECT_EQ(times_, 1);
  step(10, 180 + 8 + 8 + 1);
  EXPECT_EQ(times_, 2);
}

TEST_F(HeapTrimmerTest, LargerDrawsMayTakeMore) {
  begin();
  for (int i = 0; i < 10; ++i) step(20, 100 + 160 + 15);
  step(10, 100 + 160 + 15);  // the heap keeps it until then
  EXPECT_EQ(times_, 1);
}

TEST_F(HeapTrimmerTest, WhatTheProcessKeepsIsNotTrimmedForAgainAndAgain) {
  begin();
  for (int i = 0; i < 40; ++i) step(10, 280);  // 100 MiB more, for good: seen once, then known
  EXPECT_EQ(times_, 2);
}

TEST_F(HeapTrimmerTest, NotAtEachStep) {
  begin();
  for (int64_t i = 0; i < 40; ++i) step(10, 180 + 100 * i);
  EXPECT_LE(times_, 1 + 40 / 4);
  EXPECT_GE(times_, 8);
}

// Blocks between which others stay: glibc gives none of them back by itself.
TEST(Heap, FreedBlocksGoBackToTheSystem) {
  HeapTrimmer trimmer;
  trimmer.between_steps(0);
  constexpr size_t kBlocks = 4000, kBytes = 32 << 10;
  std::vector<std::unique_ptr<char[]>> freed(kBlocks), kept(kBlocks);
  for (size_t i = 0; i < kBlocks; ++i) {
    freed[i] = std::make_unique<char[]>(kBytes);  // zeros: the pages are there
    kept[i] = std::make_unique<char[]>(64);
  }
  freed.clear();
  ASSERT_GT(mallinfo2().fordblks, kBlocks * kBytes * 9 / 10);
  const auto resident = [&] {
    std::ifstream file("/proc/self/statm");
    int64_t pages = 0, mine = 0;
    file >> pages >> mine;
    return mine * sysconf(_SC_PAGESIZE);
  };
  const int64_t before = resident();
  trimmer.between_steps(1);
  EXPECT_LT(resident(), before - static_cast<int64_t>(kBlocks * kBytes / 2));
}

}  // namespace
}  // namespace discreet
