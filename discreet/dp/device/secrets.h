// Tensors that tell the noise: set to zero when their owner is done with them.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace discreet::device {

// What is set to zero is the memory of the tensors kept; the work is queued on the device like any other.
class Secrets {
 public:
  Secrets() = default;
  Secrets(const Secrets&) = delete;
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets() {
    for (at::Tensor& tensor : tensors_) {
      try {
        tensor.zero_();
      } catch (...) {  // the device failed, and whoever waits for it will hear of that
      }
    }
  }

  at::Tensor keep(at::Tensor tensor) {
    tensors_.push_back(tensor);
    return tensor;
  }

 private:
  std::vector<at::Tensor> tensors_;
};

}  // namespace discreet::device
