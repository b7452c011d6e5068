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

// In one pass over memory, into the sum's own where it is floats.
at::Tensor noised_floats(const BlockSum& sum, double stddev, double factor, RandomStream& random) {
  const at::Tensor released = sum.released().cpu();
  auto* to = released.data_ptr<float>();
  const std::vector<at::Tensor>* blocks = sum.blocks();
  if (blocks != nullptr && blocks->size() == 1 && fits_floats(stddev)) {
    in_blocks(released.numel(), random, [&](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, factor, part(to, first, last));
    });
  } else if (blocks != nullptr && blocks->size() == 2) {
    const at::Tensor other = (*blocks)[1].cpu();
    const auto* more = other.data_ptr<float>();
    in_blocks(released.numel(), random, [&](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, part<const float>(to, first, last), part(more, first, last),
                               factor, part(to, first, last));
    });
  } else {
    const at::Tensor total = sum.total().cpu().contiguous();
    const auto* numbers = total.data_ptr<double>();
    in_blocks(total.numel(), random, [&](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, part(numbers, first, last), factor, part(to, first, last));
    });
  }
  return released.to(sum.parameter().device());
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
    const BlockSum& one = consumed.sums()[i];
    const auto type = parameters[i].tensor.scalar_type();
    released.push_back(type == at::kFloat ? noised_floats(one, stddev, 1 / normaliser, random)
                                          : noised(one.total(), stddev, random).div_(normaliser).to(type));
  }
  return released;
}

}  // namespace discreet
