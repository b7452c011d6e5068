#include "discreet/base/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace discreet {
namespace {

TEST(Interrupt, ASignalSetsTheFlagWhileAGuardLives) {
  EXPECT_FALSE(interrupted());
  for (const int signal : {SIGINT, SIGTERM}) {
    const InterruptGuard guard;
    EXPECT_FALSE(interrupted());
    std::raise(signal);
    EXPECT_TRUE(interrupted());
  }
  EXPECT_FALSE(interrupted());
}

TEST(Interrupt, ASecondCtrlCEndsTheProcess) {
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        std::raise(SIGTERM);
        std::raise(SIGTERM);  // asks again, no more
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(Interrupt, FormerHandlersComeBack) {
  { const InterruptGuard guard; }
  EXPECT_EXIT(std::raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

TEST(Interrupt, TwoGuardsAtOnceAreAProgrammersError) {
  EXPECT_EXIT(
      {
        const InterruptGuard one;
        const InterruptGuard two;
      },
      testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace discreet
