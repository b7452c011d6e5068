#include "discreet/dp/noise.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"

namespace discreet {
namespace {

// Each block has a stream of its own, so that threads can share the work and a test seed gives the same noise
// with any number of threads.
constexpr int64_t kBlock = 32768;

void add_noise_to(double* values, int64_t count, double stddev, RandomStream& random) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<RandomStream> streams;
  for (int64_t block = 0; block < blocks; ++block) streams.push_back(random.split());
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock, last = std::min(first + kBlock, count);
      add_lattice_gaussian(streams[block], stddev,
                           std::span<double>(values + first, static_cast<size_t>(last - first)));
    }
  });
}

}  // namespace

double noise_stddev(const ClippedSum& sum, double noise_multiplier) {
  if (!(noise_multiplier > 0) || !std::isfinite(noise_multiplier))
    throw Error(ErrorKind::kInvalidArgument, "noise_multiplier must be a finite number above 0");
  return noise_multiplier * sum.sensitivity();
}

std::vector<at::Tensor> add_noise(ClippedSum&& sum, double noise_multiplier, RandomStream& random) {
  at::NoGradGuard no_grad;
  const double stddev = noise_stddev(sum, noise_multiplier);
  const ClippedSum consumed = std::move(sum);
  std::vector<at::Tensor> released;
  for (const at::Tensor& tensor : consumed.tensors()) {
    const at::Tensor values = tensor.cpu().contiguous();
    add_noise_to(values.data_ptr<double>(), values.numel(), stddev, random);
    released.push_back(values.to(tensor.device()));
  }
  return released;
}

}  // namespace discreet
