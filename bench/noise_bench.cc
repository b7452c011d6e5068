// Nanoseconds a value of the lattice Gaussian beside torch::randn, in turn within one run: medians over
// rounds, on one thread and on all.
//
// usage: noise_bench [VALUES] [ROUNDS]      (default 1048576 and 101)
//
// torch::randn fills a new tensor of floats with plain floating-point noise from a Mersenne Twister; ours
// adds noise that is safe to release, from ChaCha20, to sums that are already there. Run it on a quiet
// machine: with others at work only the ratio in the last column means something.
#include <ATen/Parallel.h>
#include <hwy/highway.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "discreet/base/lattice_gaussian.h"

namespace {

using discreet::RandomStream;

constexpr double kStddev = 1.1;
constexpr int64_t kBlock = 32768;  // values that share a stream, as in dp/noise.cc

// Calls work(stream, first, size) for every block, by all threads.
void by_blocks(RandomStream& random, int64_t n,
               const std::function<void(RandomStream&, size_t first, size_t size)>& work) {
  std::vector<RandomStream> streams;
  for (int64_t first = 0; first < n; first += kBlock) streams.push_back(random.split());
  at::parallel_for(0, static_cast<int64_t>(streams.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlock;
      work(streams[static_cast<size_t>(block)], static_cast<size_t>(first),
           static_cast<size_t>(std::min(kBlock, n - first)));
    }
  });
}

struct Contestant {
  const char* name;
  std::function<void()> run;
  std::vector<double> nanoseconds;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t n = argc > 1 ? std::atoll(argv[1]) : 1 << 20;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 101;
  if (n < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: noise_bench [VALUES] [ROUNDS]\n");
    return 2;
  }
  RandomStream random = RandomStream::from_kernel();
  torch::Tensor floats = torch::zeros({n}), doubles = torch::zeros({n}, torch::kDouble);
  float* const f = floats.data_ptr<float>();
  double* const d = doubles.data_ptr<double>();
  std::vector<Contestant> contestants = {
      {"torch::randn, in place (normal_)", [&] { floats.normal_(); }, {}},
      {"torch::randn, a new tensor", [&] { torch::randn({n}); }, {}},
      {"lattice Gaussian added to floats",
       [&] {
         by_blocks(random, n, [&](RandomStream& stream, size_t first, size_t size) {
           discreet::add_lattice_gaussian(stream, kStddev, std::span(f + first, size));
         });
       },
       {}},
      {"lattice Gaussian added to doubles",
       [&] {
         by_blocks(random, n, [&](RandomStream& stream, size_t first, size_t size) {
           discreet::add_lattice_gaussian(stream, kStddev, std::span(d + first, size));
         });
       },
       {}},
      {"doubles' release, scaled, into floats",
       [&] {
         by_blocks(random, n, [&](RandomStream& stream, size_t first, size_t size) {
           discreet::release_lattice_gaussian(stream, kStddev, std::span<const double>(d + first, size),
                                              1. / 256, std::span(f + first, size));
         });
       },
       {}},
  };
  const int all_threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::printf("%lld values, median of %d rounds, vectors: %s\n", static_cast<long long>(n), rounds,
              hwy::TargetName(hwy::SupportedAndGeneratedTargets().front()));
  for (const int threads : {1, all_threads}) {
    at::set_num_threads(threads);
    for (Contestant& contestant : contestants) contestant.nanoseconds.clear();
    for (int round = 0; round < rounds; ++round) {
      floats.zero_();
      doubles.zero_();
      for (Contestant& contestant : contestants) {
        const auto start = std::chrono::steady_clock::now();
        contestant.run();
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        contestant.nanoseconds.push_back(took.count() / static_cast<double>(n));
      }
    }
    const double reference = median(contestants[0].nanoseconds);
    std::printf("\n%d thread%s                                ns a value   times as fast as torch in place\n",
                threads, threads == 1 ? " " : "s");
    for (const Contestant& contestant : contestants) {
      const double time = median(contestant.nanoseconds);
      std::printf("%-40s %10.2f   %10.2f\n", contestant.name, time, reference / time);
    }
    if (all_threads == 1) break;
  }
}
