// What the looks at a batch have in common: of its forward pass (forward_check.cc) and of its loss
// (check.cc).
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace discreet {

// Dropout and its like draw the same numbers in every forward pass while this lives.
class SameRandomness {
 public:
  SameRandomness()
      : generator_(at::globalContext().defaultGenerator(at::kCPU)), state_(generator_.get_state()) {}
  ~SameRandomness() { generator_.set_state(state_); }
  void restart() { generator_.set_state(state_); }
  bool drawn_from() const { return !generator_.get_state().equal(state_); }  // since the last restart

 private:
  at::Generator generator_;
  at::Tensor state_;
};

// Whether two tensors are the same but for `tolerance` of the largest number in them.
bool close(const at::Tensor& a, const at::Tensor& b, double tolerance);

// At most `most` of so many rows, evenly spread.
std::vector<int64_t> some_rows(int64_t rows, int64_t most);

}  // namespace discreet
