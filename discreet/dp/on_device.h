// Where a tensor's numbers are: in the processor's memory, or on a device (a GPU), where none can be read
// before all that was asked of the device is done. There a step reads nothing: what it decides by numbers it
// decides in tensors.
#pragma once

#include <torch/torch.h>

namespace discreet {

bool is_on_device(at::Device device);
inline bool is_on_device(const at::Tensor& x) {
  return is_on_device(x.device());
}

// A copy where `like` is, which the processor does not wait for but to read x once more.
at::Tensor moved_to(const at::Tensor& x, const at::Tensor& like);

namespace internal {

// For tests: while one lives, everything is worked at as on a device.
class AsOnDevice {
 public:
  AsOnDevice();
  ~AsOnDevice();
  AsOnDevice(const AsOnDevice&) = delete;
  AsOnDevice& operator=(const AsOnDevice&) = delete;
};

}  // namespace internal
}  // namespace discreet
