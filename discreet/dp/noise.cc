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

// work(stream, first, last) for every block of `count` values.
template <typename Work>
void in_blocks(int64_t count, RandomStream& random, const Work& work) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  std::vector<RandomStream> streams;
  for (int64_t block = 0; block < blocks; ++block) streams.push_back(random.split());
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      work(streams[block], block * kBlock, std::min((block + 1) * kBlock, count));
  });
}

template <typename Number>
std::span<Number> part(Number* values, int64_t first, int64_t last) {
  return {values + first, static_cast<size_t>(last - first)};
}

at::Tensor noised(const at::Tensor& sum, double stddev, RandomStream& random) {
  const at::Tensor values = sum.cpu().contiguous();
  auto* numbers = values.data_ptr<double>();
  in_blocks(values.numel(), random, [&](RandomStream& stream, int64_t first, int64_t last) {
    add_lattice_gaussian(stream, stddev, part(numbers, first, last));
  });
  return values.to(sum.device());
}

at::Tensor noised_floats(const at::Tensor& sum, double stddev, double factor, RandomStream& random) {
  const at::Tensor values = sum.cpu().contiguous(), released = at::empty(values.sizes(), at::kFloat);
  const auto* numbers = values.data_ptr<double>();
  auto* floats = released.data_ptr<float>();
  in_blocks(values.numel(), random, [&](RandomStream& stream, int64_t first, int64_t last) {
    release_lattice_gaussian(stream, stddev, part(numbers, first, last), factor, part(floats, first, last));
  });
  return released.to(sum.device());
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
  for (const at::Tensor& tensor : consumed.tensors()) released.push_back(noised(tensor, stddev, random));
  return released;
}

std::vector<at::Tensor> add_noise(ClippedSum&& sum, double noise_multiplier, double normaliser,
                                  const std::vector<TrainedParameter>& parameters, RandomStream& random) {
  at::NoGradGuard no_grad;
  const double stddev = noise_stddev(sum, noise_multiplier);
  const ClippedSum consumed = std::move(sum);
  std::vector<at::Tensor> released;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& tensor = consumed.tensors()[i];
    const auto type = parameters[i].tensor.scalar_type();
    released.push_back(type == at::kFloat ? noised_floats(tensor, stddev, 1 / normaliser, random)
                                          : noised(tensor, stddev, random).div_(normaliser).to(type));
  }
  return released;
}

}  // namespace discreet
