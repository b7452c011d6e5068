#include "discreet/base/progress.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

namespace discreet {
namespace {

// What `action` writes to standard error when that is a terminal.
std::string on_a_terminal(const std::function<void()>& action) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    setenv("TERM", "xterm", 1);
    action();
    _exit(0);
  }
  std::string text;
  char piece[4096];
  for (ssize_t got; (got = read(terminal, piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<size_t>(got));
  close(terminal);
  waitpid(child, nullptr, 0);
  return text;
}

TEST(Progress, ATerminalHasOneLineThatIsUpdated) {
  const std::string text = on_a_terminal([] {
    Progress progress("training", 10);
    progress.update(5, "epsilon 1.2");
    progress.update(6);  // too soon to be shown
    progress.update(10, "epsilon 3");
    progress.finish();
    progress.finish();
  });
  EXPECT_NE(text.find("\rtraining  [############............] 50 %  5/10"), std::string::npos) << text;
  EXPECT_NE(text.find("epsilon 1.2"), std::string::npos);
  EXPECT_EQ(text.find("6/10"), std::string::npos);
  EXPECT_NE(text.find("100 %  10/10  in 0.0 s  epsilon 3"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, AnErrorStartsOnItsOwnLine) {
  const std::string text = on_a_terminal([] {
    { Progress("training", 10).update(1); }
    std::fprintf(stderr, "error: stopped\n");
  });
  EXPECT_NE(text.find("\nerror: stopped"), std::string::npos) << text;
}

TEST(Progress, ALogHasPlainLinesAndFew) {
  testing::internal::CaptureStderr();
  {
    Progress progress("training", 1000);
    for (int i = 0; i <= 1000; ++i) progress.update(i);
    progress.finish();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_NE(text.find("training  100 %  1000/1000  in "), std::string::npos) << text;
}

TEST(Progress, WithoutATotalThereIsACount) {
  testing::internal::CaptureStderr();
  Progress progress("reading", 0);
  progress.update(7);
  progress.finish();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "reading  7  0.0 s\n");
}

}  // namespace
}  // namespace discreet
