// Several processes that train one model together: what an engine needs of the connection between them.
//
// Threat model: the processes trust each other and the network between them. Unnoised sums and fingerprints
// of records travel in plain words, and whoever can reach the ports can disturb a run.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace discreet {

// Every process makes the same calls in the same order. A call throws kUnavailable where a process was lost
// or did not answer in time; all later calls then throw too, so that nothing is summed out of step.
class Processes {
 public:
  virtual ~Processes() = default;
  virtual int64_t rank() const = 0;  // from 0
  virtual int64_t size() const = 0;  // 1 to kMost

  // Replaces the values, double on the CPU and contiguous, by their sums over all processes: the same bits on
  // each. Every process gives as many.
  virtual void sum(at::Tensor values) = 0;

  // Replaces the values, of any type, on the CPU and contiguous, by those of process `from`.
  virtual void broadcast(at::Tensor values, int64_t from) = 0;

  static constexpr int64_t kMost = 1024;
};

// A connection that may fail: the others may be at another step then, and nothing is exchanged any more.
class Connection : public Processes {
 public:
  void sum(at::Tensor values) override;
  void broadcast(at::Tensor values, int64_t from) override;

  // The first line of what libtorch says; the others are where in its sources.
  static std::string reason(const std::exception& error);

 protected:
  // kUnsupported where there are too many. Where an exchange throws, a process was lost.
  void check_size() const;
  virtual void exchange_sum(const at::Tensor& values) = 0;
  virtual void exchange_bytes(const at::Tensor& bytes, int64_t from) = 0;  // uint8 [bytes]

 private:
  void together(const std::function<void()>& exchange);

  std::string lost_;
};

// Int64 lists of any lengths, by rank.
std::vector<at::Tensor> gather(Processes& processes, const at::Tensor& mine);

// Named values that must be the same on all processes before they go on.
class Agreement {
 public:
  // `action`: what the processes are about to do together, which must agree too.
  explicit Agreement(std::string_view action);

  // At most kMost of them; the names are the same wherever the action is.
  void add(std::string name, std::string_view value);
  void add(std::string name, double value);

  // kInvalidArgument that names what differs (never its value), on all processes alike.
  void check(Processes& processes) const;

  static constexpr size_t kMost = 32;

 private:
  std::vector<std::pair<std::string, uint64_t>> hashes_;
};

}  // namespace discreet
