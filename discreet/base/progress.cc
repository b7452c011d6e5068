#include "discreet/base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kLogInterval = std::chrono::seconds(5);
constexpr int kBarWidth = 24;

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

Progress::Progress(std::string title, int64_t total)
    : title_(std::move(title)), total_(total), start_(Clock::now()), terminal_(stderr_is_terminal()) {
  // The first line of a log comes when there is something to wait for.
  shown_ = terminal_ ? start_ - kTerminalInterval : start_;
}

Progress::~Progress() {
  if (line_open_) std::fputc('\n', stderr);
}

std::string Progress::line(Clock::time_point now) const {
  const double elapsed = seconds_between(start_, now);
  std::string text = title_ + "  ";
  if (total_ > 0) {
    const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    if (terminal_) {
      const int filled = static_cast<int>(share * kBarWidth);
      text += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] ";
    }
    text += std::to_string(static_cast<int>(share * 100)) + " %  ";
    text += std::to_string(done_) + "/" + std::to_string(total_);
    if (finished_) {
      text += "  in " + format_duration(elapsed);
    } else if (done_ > first_) {
      const double left = elapsed * static_cast<double>(total_ - done_) / static_cast<double>(done_ - first_);
      text += "  " + format_duration(left) + " left";
    }
  } else {
    text += std::to_string(done_) + "  " + format_duration(elapsed);
  }
  if (!suffix_.empty()) text += "  " + suffix_;
  return text;
}

void Progress::show(Clock::time_point now) {
  const std::string text = line(now);
  if (terminal_) {
    std::fprintf(stderr, "\r%s\x1b[K", text.c_str());  // ESC [ K: clear what is left of the former line
    line_open_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
  shown_ = now;
}

void Progress::update(int64_t done, const std::string& suffix) {
  if (first_ < 0) first_ = done > 0 ? done - 1 : 0;
  done_ = done;
  suffix_ = suffix;
  const auto now = Clock::now();
  if (finished_ || now - shown_ < (terminal_ ? Clock::duration(kTerminalInterval) : kLogInterval)) return;
  show(now);
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  show(Clock::now());
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

}  // namespace discreet
