// Ways from the records to the trained model that go round the engine: each stops with an Error that names
// the parameter or buffer.
#pragma once

#include <torch/torch.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/graph.h"

namespace discreet {

// Runs what it is given, once.
using InBackward = std::function<void(const std::function<void()>& work)>;

// Throws kUnsupported out of backward() when any gradient reaches a trained parameter, other than on the
// engine's own behalf. Off when destroyed.
class RawGradientGuard {
 public:
  // While one lives, what reaches a parameter is asked for by the engine.
  class Pause {
   public:
    explicit Pause(const RawGradientGuard& guard) : paused_(guard.paused_) { ++*paused_; }
    ~Pause() { --*paused_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    std::shared_ptr<std::atomic<int>> paused_;
  };

  // in_backward: runs the throw; empty: nothing does.
  explicit RawGradientGuard(const std::vector<TrainedParameter>& parameters,
                            const InBackward& in_backward = {});
  ~RawGradientGuard() { lift(); }
  void lift();  // no more from here on
  RawGradientGuard(const RawGradientGuard&) = delete;
  RawGradientGuard& operator=(const RawGradientGuard&) = delete;

 private:
  std::shared_ptr<std::atomic<int>> paused_ = std::make_shared<std::atomic<int>>(0);
  std::vector<std::pair<at::Tensor, unsigned>> hooks_;
};

// Notices when .grad is not what was released: anything but the released tensor as it was, zeros, or none.
class ReleasedGradients {
 public:
  explicit ReleasedGradients(std::vector<TrainedParameter> parameters) : parameters_(std::move(parameters)) {}
  void set(const std::vector<at::Tensor>& gradients);  // empty: none
  void check() const;                                  // throws kUnsupported; before the first set() nothing
  void check_step() const;                             // likewise, and before it for any gradient

 private:
  std::vector<TrainedParameter> parameters_;
  std::vector<std::pair<at::Tensor, int64_t>> released_;  // with its version
};

// Notices when a parameter, trained or frozen, was written since it was remembered: a forward pass that does
// so (an embedding's max_norm, an initialisation by the first batch) takes raw data into the model. That
// cannot be undone here, so whoever saw it once throws it at every later call.
class ParameterGuard {
 public:
  // `independent`: names that may change.
  ParameterGuard(const torch::nn::Module& model, std::vector<std::string> independent);
  void remember();           // the tensors' versions
  void remember_contents();  // and what they hold, which finds writes that go past the version (.data)
  void check();              // throws kUnsupported

 private:
  struct Known {
    std::string name;
    at::Tensor tensor;
    int64_t version;
    uint64_t contents;
  };
  const torch::nn::Module& model_;
  std::vector<std::string> independent_;
  std::vector<Known> known_;
  bool with_contents_ = false;
  std::string spoiled_;
};

// Notices when a buffer's contents differ from when they were remembered, and puts those back.
class BufferGuard {
 public:
  // `independent`: full names of buffers and of frozen parameters that may change; kNotFound where the model
  // has none of that name.
  BufferGuard(const torch::nn::Module& model, std::vector<std::string> independent);
  void remember();
  // Throws kUnsupported where a buffer is not what it was, and gives all of them back what they held. On a
  // device they are compared without waiting for the answer, which settle() reads.
  void check();
  void settle();

 private:
  const torch::nn::Module& model_;
  std::vector<std::string> independent_;
  [[noreturn]] void refuse(std::string changed);
  std::map<std::string, at::Tensor> remembered_;
  at::Tensor differing_;  // bool [], on a device: whether one differed since settle()
};

}  // namespace discreet
