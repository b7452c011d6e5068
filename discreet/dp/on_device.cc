#include "discreet/dp/on_device.h"

#include <atomic>

namespace discreet {
namespace {

std::atomic<int> as_on_device = 0;

}  // namespace

bool is_on_device(at::Device device) {
  return !device.is_cpu() || as_on_device.load(std::memory_order_relaxed) > 0;
}

at::Tensor moved_to(const at::Tensor& x, const at::Tensor& like) {
  return x.to(like.device(), x.scalar_type(), /*non_blocking=*/true);
}

namespace internal {

AsOnDevice::AsOnDevice() {
  as_on_device.fetch_add(1, std::memory_order_relaxed);
}

AsOnDevice::~AsOnDevice() {
  as_on_device.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace internal
}  // namespace discreet
