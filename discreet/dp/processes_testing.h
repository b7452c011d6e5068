// Processes played by threads of one program, for tests of what is done with them.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/dp/processes.h"

namespace discreet {

// Where the threads meet. One that leaves is lost to those that wait for it.
class Meeting {
 public:
  explicit Meeting(int64_t size) : values_(size) {}

  // Waits for all, then replaces everyone's values by what `combine` makes of them.
  void meet(int64_t rank, at::Tensor values,
            const std::function<at::Tensor(const std::vector<at::Tensor>&)>& combine) {
    std::unique_lock lock(mutex_);
    wait(lock, [&] { return !leaving_; });
    values_[rank] = values.clone();
    if (++inside_ == values_.size()) {
      result_ = combine(values_);
      leaving_ = true;
      changed_.notify_all();
    }
    wait(lock, [&] { return leaving_; });
    values.copy_(result_);
    if (--inside_ == 0) {
      leaving_ = false;
      changed_.notify_all();
    }
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    lost_ = true;
    changed_.notify_all();
  }

  int64_t size() const { return static_cast<int64_t>(values_.size()); }

 private:
  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
    changed_.wait(lock, [&] { return ready() || lost_; });
    if (!ready()) throw Error(ErrorKind::kUnavailable, "a process was lost");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<at::Tensor> values_;
  at::Tensor result_;
  size_t inside_ = 0;
  bool leaving_ = false, lost_ = false;
};

class ThreadProcesses : public Processes {
 public:
  ThreadProcesses(Meeting& meeting, int64_t rank) : meeting_(meeting), rank_(rank) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return meeting_.size(); }
  void sum(at::Tensor values) override {
    meeting_.meet(rank_, values, [](const std::vector<at::Tensor>& all) {
      at::Tensor total = at::zeros_like(all.front());
      for (const at::Tensor& each : all) total += each;
      return total;
    });
  }
  void broadcast(at::Tensor values, int64_t from) override {
    meeting_.meet(rank_, values, [from](const std::vector<at::Tensor>& all) { return all[from].clone(); });
  }

 private:
  Meeting& meeting_;
  int64_t rank_;
};

// What each of `size` processes threw: its message, or "" where it came to its end.
inline std::vector<std::string> together(int64_t size,
                                         const std::function<void(std::shared_ptr<Processes>)>& program) {
  Meeting meeting(size);
  std::vector<std::string> messages(size);
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        program(std::make_shared<ThreadProcesses>(meeting, rank));
      } catch (const std::exception& error) {
        messages[rank] = error.what();
      }
      meeting.leave();
    });
  for (std::thread& thread : threads) thread.join();
  return messages;
}

}  // namespace discreet
