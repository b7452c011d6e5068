#include "discreet/dp/noise.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <span>
#include <utility>

#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"
#include "discreet/dp/device/lattice_gaussian.h"
#include "discreet/dp/on_device.h"

namespace discreet {
namespace {

// Values that are noised one after another. Each block has a stream of its own, so that threads can share the
// work and a test seed gives the same noise with any number of threads.
constexpr int64_t kBlock = 32768;

// The noise of all parameters, in blocks that whichever thread is free takes next: parameters are of all
// sizes.
class NoiseBlocks {
 public:
  explicit NoiseBlocks(RandomStream& random) : random_(random) {}

  // work(stream, first, last), for every block of `count` values.
  using Work = std::function<void(RandomStream&, int64_t, int64_t)>;
  void add(int64_t count, const Work& work) {
    for (int64_t first = 0; first < count; first += kBlock)
      blocks_.push_back({random_.split(), first, std::min(first + kBlock, count), work});
    count_ += count;
  }

  void run() {
    std::atomic<size_t> next = 0;
    const int64_t threads = std::min<int64_t>(at::get_num_threads(), (count_ + kBlock - 1) / kBlock);
    at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
      for (size_t i = next++; i < blocks_.size(); i = next++)
        blocks_[i].work(blocks_[i].stream, blocks_[i].first, blocks_[i].last);
    });
  }

 private:
  struct Block {
    RandomStream stream;
    int64_t first, last;
    Work work;
  };

  RandomStream& random_;
  int64_t count_ = 0;
  std::vector<Block> blocks_;
};

template <typename Number>
std::span<Number> part(Number* values, int64_t first, int64_t last) {
  return {values + first, static_cast<size_t>(last - first)};
}

// -> the memory that gets the noise when the blocks are run, as for the next function.
at::Tensor noised(const at::Tensor& sum, double stddev, NoiseBlocks& blocks) {
  const at::Tensor values = sum.contiguous();
  auto* numbers = values.data_ptr<double>();
  blocks.add(values.numel(), [=](RandomStream& stream, int64_t first, int64_t last) {
    add_lattice_gaussian(stream, stddev, part(numbers, first, last));
  });
  return values;
}

// In one pass over memory, into the sum's own where it is floats. kept: what must live until the blocks are
// run.
at::Tensor noised_floats(const BlockSum& sum, double stddev, double factor, NoiseBlocks& noise,
                         std::vector<at::Tensor>& kept) {
  const at::Tensor released = sum.released();
  auto* to = released.data_ptr<float>();
  const std::vector<at::Tensor>* blocks = sum.blocks();
  if (blocks != nullptr && blocks->size() == 1 && fits_floats(stddev)) {
    noise.add(released.numel(), [=](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, factor, part(to, first, last));
    });
  } else if (blocks != nullptr && blocks->size() == 2) {
    kept.push_back((*blocks)[1]);
    const auto* more = kept.back().data_ptr<float>();
    noise.add(released.numel(), [=](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, part<const float>(to, first, last), part(more, first, last),
                               factor, part(to, first, last));
    });
  } else {
    kept.push_back(sum.total().contiguous());
    const auto* numbers = kept.back().data_ptr<double>();
    noise.add(released.numel(), [=](RandomStream& stream, int64_t first, int64_t last) {
      release_lattice_gaussian(stream, stddev, part(numbers, first, last), factor, part(to, first, last));
    });
  }
  return released;
}

// On a device: into one tensor, so that a device is asked once for many small parameters.
constexpr int64_t kTogether = int64_t{1} << 23;  // numbers

// -> the noised sums in double, in the parameters' shapes; `use` takes them before the next ones are made.
void noised_on_device(const std::vector<BlockSum>& sums, double stddev, RandomStream& random,
                      const std::function<void(size_t, const at::Tensor&)>& use) {
  for (size_t first = 0, last = 0; first < sums.size(); first = last) {
    int64_t count = 0;
    for (; last < sums.size() && (last == first || count + sums[last].parameter().numel() <= kTogether);
         ++last)
      count += sums[last].parameter().numel();
    const auto options = sums[first].parameter().options().dtype(at::kDouble).requires_grad(false);
    const at::Tensor values = at::empty({count}, options);
    std::vector<at::Tensor> parts;
    int64_t begin = 0;
    for (size_t i = first; i < last; ++i) {
      const at::Tensor& parameter = sums[i].parameter();
      parts.push_back(values.slice(0, begin, begin + parameter.numel()).view(parameter.sizes()));
      sums[i].write(parts.back());
      begin += parameter.numel();
    }
    device::add_lattice_gaussian(random, stddev, values);
    for (size_t i = first; i < last; ++i) use(i, parts[i - first]);
  }
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
  if (is_on_device(consumed.sums().front().parameter())) {
    noised_on_device(consumed.sums(), stddev, random,
                     [&](size_t, const at::Tensor& values) { released.push_back(values.clone()); });
    return released;
  }
  NoiseBlocks blocks(random);
  for (const at::Tensor& tensor : consumed.tensors()) released.push_back(noised(tensor, stddev, blocks));
  blocks.run();
  return released;
}

std::vector<at::Tensor> add_noise(ClippedSum&& sum, double noise_multiplier, double normaliser,
                                  const std::vector<TrainedParameter>& parameters, RandomStream& random) {
  at::NoGradGuard no_grad;
  const double stddev = noise_stddev(sum, noise_multiplier);
  const ClippedSum consumed = std::move(sum);
  std::vector<at::Tensor> released, kept;
  const auto is_float = [&](size_t i) { return parameters[i].tensor.scalar_type() == at::kFloat; };
  if (is_on_device(consumed.sums().front().parameter())) {
    noised_on_device(consumed.sums(), stddev, random, [&](size_t i, const at::Tensor& values) {
      released.push_back(consumed.sums()[i].released());
      if (is_float(i))
        at::mul_out(released.back(), values, at::scalar_tensor(1 / normaliser, at::kDouble));
      else
        at::div_out(released.back(), values, at::scalar_tensor(normaliser, at::kDouble));
    });
    return released;
  }
  NoiseBlocks blocks(random);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const BlockSum& one = consumed.sums()[i];
    released.push_back(is_float(i) ? noised_floats(one, stddev, 1 / normaliser, blocks, kept)
                                   : noised(one.total(), stddev, blocks));
  }
  blocks.run();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!is_float(i)) released[i].div_(normaliser);
    released[i] = released[i].to(parameters[i].tensor.scalar_type());
  }
  return released;
}

}  // namespace discreet
