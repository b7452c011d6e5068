// Progress of a long task on standard error: on a terminal one line that is updated in place with a bar,
// percentage, time left and a suffix; elsewhere (a log) a plain line at most every five seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace discreet {

class Progress {
 public:
  // `total` units of work (> 0); 0 where it is not known (no bar and no time left are shown).
  Progress(std::string title, int64_t total);
  ~Progress();  // ends the line on a terminal, so that an error message starts on its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` so far; cheap to call at every step. A resumed task starts with its first update.
  void update(int64_t done, const std::string& suffix = "");

  // The last line, shown once.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(Clock::time_point now) const;
  void show(Clock::time_point now);

  std::string title_, suffix_;
  int64_t total_, done_ = 0, first_ = -1;
  Clock::time_point start_, shown_;
  bool terminal_, line_open_ = false, finished_ = false;
};

}  // namespace discreet
