#include "discreet/dp/device/lattice_gaussian.h"

#include <gtest/gtest.h>
#include <quadmath.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "discreet/base/box_muller.h"
#include "discreet/base/chacha20.h"
#include "discreet/base/error.h"
#include "discreet/base/lattice_gaussian.h"

namespace discreet::device {
namespace {

// The same release one value after another, from base/chacha20.h and quadruple precision.
class SlowPath {
 public:
  SlowPath(uint64_t seed, double stddev)
      : random_(RandomStream::for_tests(seed)), step_(lattice_step(stddev)), scale_(stddev / step_) {}

  void add_to_chunk(std::span<double> values) {
    for_noise(values.size(), [&](size_t i, __float128 noise) { round(values[i], noise); });
  }

  // use(i, noise of value i in steps), for the values of a chunk.
  template <class Use>
  void for_noise(size_t size, const Use& use) {
    std::array<uint32_t, 16> keys;
    random_.fill(std::as_writable_bytes(std::span(keys)));
    const std::span<const uint32_t, 8> key(keys.data(), 8), further_key(keys.data() + 8, 8);
    const size_t pairs = (size + 1) / 2, blocks = (2 * pairs + 15) / 16;
    std::vector<uint32_t> words((blocks + 15) / 16 * kChaCha20Group);
    constexpr std::array<uint32_t, 3> kNonce = {};
    chacha20(key, kNonce, 0, words);
    const auto word = [&](size_t number) {
      const size_t i = number / blocks, block = number % blocks;
      return words[block / 16 * kChaCha20Group + 16 * i + block % 16];
    };
    for (size_t pair = 0; pair < pairs; ++pair) {
      std::array<uint32_t, kChaCha20Group> further;
      const std::array<uint32_t, 3> nonce = {static_cast<uint32_t>(pair), 0, 0};
      chacha20(further_key, nonce, 0, further);
      size_t taken = 0;  // word i of block 0 is word 16 i
      const auto next = [&] {
        const uint64_t low = further[16 * taken], high = further[16 * taken + 16];
        taken += 2;
        return high << 32 | low;
      };
      __float128 noise[2];
      box_muller_quad(word(pair), word(pairs + pair), next, scale_, noise);
      for (size_t k = 0; k < 2; ++k)
        if (pair + k * pairs < size) use(pair + k * pairs, noise[k]);
    }
  }

 private:
  void round(double& value, __float128 noise) const {
    const double scaled = value / step_;
    if (std::abs(scaled) < 0x1p52) {
      value = static_cast<double>(rintq(scaled + noise)) * step_ + 0.0;
    } else {
      value += static_cast<double>(rintq(noise)) * step_;
    }
  }

  RandomStream random_;
  const double step_, scale_;
};

std::vector<double> awkward_values(double stddev, size_t n) {
  RandomStream random = RandomStream::for_tests(14);
  const double step = lattice_step(stddev);
  std::vector<double> values = {0.,
                                -0.,
                                step / 2,
                                -step / 2,
                                1e3 * step,
                                -1e3 * step,
                                5e-324,
                                -5e-324,
                                1e300,
                                -1e300,
                                0x1p51 * step,
                                0x1p52 * step,
                                (0x1p52 - 0.5) * step,
                                -(0x1p52 + 1) * step,
                                0x1p53 * step,
                                -(0x1p53 + 2) * step};
  while (values.size() < n) {
    const double size =
        std::ldexp(static_cast<double>(random.next()), -64 - static_cast<int>(random.next() % 20));
    values.push_back((random.next() & 1 ? size : -size) * stddev);
  }
  values.resize(n);
  return values;
}

std::vector<double> numbers(const at::Tensor& tensor) {
  return {tensor.data_ptr<double>(), tensor.data_ptr<double>() + tensor.numel()};
}

void expect_same(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i], expected[i]) << i;
    ASSERT_EQ(std::signbit(got[i]), std::signbit(expected[i])) << i;
  }
}

TEST(DeviceLattice, ReleasesWhatTheSlowPathReleases) {
  for (const double stddev : {1., 0.7, 12345.678, 0x1p-900, 0x1p900})
    for (const size_t n : {1u, 2u, 5u, 31u, 33u, 20001u}) {
      std::vector<double> expected = awkward_values(stddev, n);
      at::Tensor values = at::tensor(expected, at::kDouble);
      SlowPath(n, stddev).add_to_chunk(expected);
      RandomStream random = RandomStream::for_tests(n);
      add_lattice_gaussian(random, stddev, values);
      expect_same(numbers(values), expected);
    }
}

TEST(DeviceLattice, ReleasesWhatTheSlowPathReleasesOfManyValues) {
  std::vector<double> expected = awkward_values(0.7, 100001);
  at::Tensor values = at::tensor(expected, at::kDouble);
  SlowPath(7, 0.7).add_to_chunk(expected);
  RandomStream random = RandomStream::for_tests(7);
  add_lattice_gaussian(random, 0.7, values);
  expect_same(numbers(values), expected);
}

// Each chunk has keys of its own, one after another from the stream.
TEST(DeviceLattice, ChunksHaveKeysOfTheirOwn) {
  const double stddev = 3.3;
  const int64_t chunk_pairs = 500;
  std::vector<double> expected = awkward_values(stddev, 3501);
  at::Tensor values = at::tensor(expected, at::kDouble);
  SlowPath slow(8, stddev);
  for (size_t first = 0; first < expected.size(); first += 1000)
    slow.add_to_chunk(std::span(expected).subspan(first, std::min<size_t>(1000, expected.size() - first)));
  RandomStream random = RandomStream::for_tests(8);
  const auto undecided = internal::add_lattice_gaussian(random, stddev, values, {false, chunk_pairs});
  EXPECT_EQ(undecided.size(), 4);
  expect_same(numbers(values), expected);
}

// Values so that each sum lies as near to the middle between two multiples as doubles can say, 2^-54 of a
// step or so: every pair is undecided, and the further digits decide.
TEST(DeviceLattice, FurtherDigitsDecideAtTheBoundary) {
  const double stddev = 1.3, step = lattice_step(stddev);
  constexpr int64_t kPairs = 4;  // a chunk that has room for all of them
  std::vector<double> start(4001);
  SlowPath noise(21, stddev), slow(21, stddev);
  const auto for_chunks = [&](const auto& work) {
    for (size_t first = 0; first < start.size(); first += 2 * kPairs)
      work(std::span(start).subspan(first, std::min<size_t>(2 * kPairs, start.size() - first)));
  };
  for_chunks([&](std::span<double> chunk) {
    noise.for_noise(chunk.size(), [&](size_t i, __float128 steps) {
      chunk[i] = static_cast<double>(floorq(steps) + 0.5 - steps) * step;
    });
  });
  const at::Tensor first = at::tensor(start, at::kDouble), wide = first.clone();
  for_chunks([&](std::span<double> chunk) { slow.add_to_chunk(chunk); });
  for (const bool all_wide : {false, true}) {
    RandomStream random = RandomStream::for_tests(21);
    int64_t undecided = 0;
    for (const at::Tensor& chunk :
         internal::add_lattice_gaussian(random, stddev, all_wide ? wide : first, {all_wide, kPairs}))
      undecided += chunk.item<int64_t>();
    EXPECT_EQ(undecided, 2001);
    expect_same(numbers(all_wide ? wide : first), start);
  }
}

// Doubles first, and wide numbers for all: bit for bit the same. About 2^-16 of the pairs are undecided at
// the end of the scales.
TEST(DeviceLattice, DoublesFirstReleasesTheSameAsWideNumbersForAll) {
  const double stddev = std::nextafter(2., 1.);
  constexpr int64_t kPairs = 1 << 16, kValues = 1 << 20;
  const at::Tensor first = at::tensor(awkward_values(stddev, kValues), at::kDouble), wide = first.clone();
  RandomStream a = RandomStream::for_tests(9), b = RandomStream::for_tests(9);
  const auto undecided = internal::add_lattice_gaussian(a, stddev, first, {false, kPairs});
  internal::add_lattice_gaussian(b, stddev, wide, {true, kPairs});
  EXPECT_EQ(a.next(), b.next());
  EXPECT_TRUE(first.equal(wide));
  int64_t all = 0;
  for (const at::Tensor& chunk : undecided) {
    EXPECT_LT(chunk.item<int64_t>(), internal::room_for_undecided(kPairs));
    all += chunk.item<int64_t>();
  }
  EXPECT_GT(all, 0);
  // 2^19 pairs, at most 2^-16 of them: 8 and 7 deviations.
  EXPECT_LT(all, 8 + 7 * std::sqrt(8.));
}

// Undecided pairs in 2^22 values at both ends of the scales: bounded by half of what the room is made for,
// and not by far. 7 deviations of a Poisson count.
TEST(DeviceLattice, PairsAreUndecidedAsOftenAsTheRoomIsMadeFor) {
  for (const double stddev : {1., std::nextafter(2., 1.)}) {
    at::Tensor values = at::zeros({1 << 22}, at::kDouble);
    RandomStream random = RandomStream::for_tests(10);
    const auto undecided = internal::add_lattice_gaussian(random, stddev, values, {});
    const double bound = 0x1p21 * 0x1p-16 * stddev / 2, deviation = std::sqrt(bound);
    ASSERT_EQ(undecided.size(), 1);
    EXPECT_LT(static_cast<double>(undecided[0].item<int64_t>()), bound + 7 * deviation);
    EXPECT_GT(static_cast<double>(undecided[0].item<int64_t>()), 0.8 * bound - 7 * deviation);
  }
}

// P(Poisson(mean) > room) < 2^-80, summed.
TEST(DeviceLattice, TheRoomIsEnough) {
  for (const int64_t pairs :
       {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}, int64_t{1} << 16, internal::kChunkPairs}) {
    const int64_t room = internal::room_for_undecided(pairs);
    EXPECT_LE(room, pairs);
    EXPECT_GE(room, 1);
    if (room == pairs) continue;
    const __float128 mean = static_cast<__float128>(pairs) * 0x1p-15;
    __float128 more = 0;
    for (int64_t k = room + 1; k < room + 500; ++k)
      more += expq(k * logq(mean) - mean - lgammaq(static_cast<__float128>(k + 1)));
    EXPECT_LT(static_cast<double>(log2q(more)), -80) << pairs;
    EXPECT_GT(static_cast<double>(log2q(more)), -90) << pairs;  // and not much too large
  }
}

TEST(DeviceLattice, EveryReleaseIsAMultipleOfTheStepAndNoZeroIsNegative) {
  for (const double stddev : {1., 0.7, 1e-5, 12345.}) {
    const double step = lattice_step(stddev);
    at::Tensor values = at::tensor(awkward_values(stddev, 20001), at::kDouble);
    RandomStream random = RandomStream::for_tests(15);
    add_lattice_gaussian(random, stddev, values);
    for (const double value : numbers(values)) {
      ASSERT_TRUE(std::isfinite(value));
      ASSERT_EQ(std::remainder(value, step), 0) << value;
    }
  }
  at::Tensor values = at::full({1 << 21}, -0.0, at::kDouble);
  RandomStream random = RandomStream::for_tests(16);
  add_lattice_gaussian(random, 1, values);
  int64_t zeros = 0;
  for (const double value : numbers(values)) {
    if (value != 0) continue;
    ++zeros;
    ASSERT_FALSE(std::signbit(value));
  }
  EXPECT_GT(zeros, 400);  // 2^21 / (1024 sqrt(2 pi)) = 817 expected
}

TEST(DeviceLattice, TheNoiseIsGaussian) {
  constexpr int64_t kValues = 1 << 22;
  const double stddev = 1.7, step = lattice_step(stddev), n = kValues;
  at::Tensor values = at::zeros({kValues}, at::kDouble);
  RandomStream random = RandomStream::for_tests(17);
  add_lattice_gaussian(random, stddev, values);
  std::vector<double> all = numbers(values);
  // Each bound is 6.5 deviations: a right sampler fails one of the five with probability below 1e-9 each.
  double mean = 0, square = 0, fourth = 0, products = 0, square_products = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const double x = all[i] / stddev, other = all[(i + kValues / 2) % kValues] / stddev;
    mean += x, square += x * x, fourth += x * x * x * x;
    if (i < kValues / 2) products += x * other, square_products += (x * x - 1) * (other * other - 1);
  }
  EXPECT_NEAR(mean / n, 0, 6.5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1, 6.5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 6.5 * std::sqrt(96 / n));
  EXPECT_NEAR(products / (n / 2), 0, 6.5 / std::sqrt(n / 2));  // the two values of a pair
  EXPECT_NEAR(square_products / (n / 2), 0, 6.5 * 2 / std::sqrt(n / 2));
  // Kolmogorov-Smirnov against the probability of each multiple: sqrt(n) D > 3.4 with probability below
  // 2e-10.
  std::sort(all.begin(), all.end());
  double largest = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i + 1 < all.size() && all[i + 1] == all[i]) continue;
    const double below = 0.5 * std::erfc(-(all[i] + 0.5 * step) / stddev / std::sqrt(2.));
    largest = std::max(largest, std::abs(static_cast<double>(i + 1) / n - below));
  }
  EXPECT_LT(std::sqrt(n) * largest, 3.4);
}

// What is not finite stays so, and changes nothing of the others: of ten pairs that are undecided (as above)
// none loses its room to it, nor to the 2,490 that are decided.
TEST(DeviceLattice, NothingIsHidden) {
  const double stddev = 0.7, step = lattice_step(stddev);
  std::vector<double> expected = awkward_values(stddev, 5001), bad;
  SlowPath(18, stddev).for_noise(5001, [&](size_t i, __float128 steps) {
    if (i % 2501 < 10) expected[i] = static_cast<double>(floorq(steps) + 0.5 - steps) * step;
  });
  ASSERT_LT(internal::room_for_undecided(2501), 100);
  bad = expected;
  bad[17] = static_cast<double>(NAN);
  bad[18] = static_cast<double>(INFINITY);
  bad[5000] = -static_cast<double>(INFINITY);
  for (size_t i = 100; i < 2400; ++i) bad[i] = static_cast<double>(NAN);
  at::Tensor values = at::tensor(bad, at::kDouble);
  SlowPath(18, stddev).add_to_chunk(expected);
  RandomStream random = RandomStream::for_tests(18);
  add_lattice_gaussian(random, stddev, values);
  const auto got = numbers(values);
  for (size_t i = 0; i < bad.size(); ++i) {
    if (std::isfinite(bad[i])) {
      ASSERT_EQ(got[i], expected[i]) << i;
    } else {
      ASSERT_FALSE(std::isfinite(got[i])) << i;
    }
  }
}

TEST(DeviceLattice, RefusesWhatItCannotNoise) {
  RandomStream random = RandomStream::for_tests(19), same = RandomStream::for_tests(19);
  for (const double stddev :
       {0., -1., 1e-300, 1e300, static_cast<double>(NAN), static_cast<double>(INFINITY)})
    EXPECT_THROW(add_lattice_gaussian(random, stddev, at::zeros({4}, at::kDouble)), Error) << stddev;
  EXPECT_THROW(add_lattice_gaussian(random, -1, at::zeros({0}, at::kDouble)), Error);
  EXPECT_THROW(add_lattice_gaussian(random, 1, at::zeros({4}, at::kFloat)), Error);
  EXPECT_THROW(add_lattice_gaussian(random, 1, at::zeros({4, 2}, at::kDouble)), Error);
  EXPECT_THROW(add_lattice_gaussian(random, 1, at::zeros({4, 2}, at::kDouble).select(1, 0)), Error);
  add_lattice_gaussian(random, 1, at::zeros({0}, at::kDouble));
  EXPECT_EQ(random.next(), same.next());  // and draws nothing
}

TEST(DeviceLattice, TheCpuPassesItsCheck) {
  EXPECT_NO_THROW(check_device(at::kCPU));
  EXPECT_NO_THROW(check_device(at::kCPU));
}

// A tensor without numbers, on which every read of the host's throws: there is none.
TEST(DeviceLattice, ReadsNothing) {
#if TORCH_VERSION_MAJOR < 2
  GTEST_SKIP() << "libtorch 1.13 lacks some operations for tensors without numbers";
#else
  const auto meta = at::TensorOptions(at::kDouble).device(at::kMeta);
  EXPECT_ANY_THROW(at::zeros({3}, meta).sum().item<double>());
  EXPECT_ANY_THROW(at::zeros({3}, meta).cpu());
  RandomStream random = RandomStream::for_tests(20);
  for (const int64_t n : {1, 2, 1001, 100000})
    EXPECT_NO_THROW(add_lattice_gaussian(random, 1, at::zeros({n}, meta)));
#endif
}

}  // namespace
}  // namespace discreet::device
