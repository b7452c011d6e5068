#include "discreet/dp/noise.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr int64_t kBlock = 32768;  // values that share a stream

// Noise alone, at a standard deviation of 1: the sum of no gradients, for two parameters of two and a half
// blocks each.
std::vector<at::Tensor> pure_noise(RandomStream& random) {
  std::vector<TrainedParameter> parameters;
  for (const char* name : {"a", "b"})
    parameters.push_back({name, torch::zeros({5, kBlock / 2}).requires_grad_()});
  ClippedSum nothing = Clipper(parameters, 1.0).take();
  const double noise_multiplier = 1.0 / nothing.sensitivity();
  return add_noise(std::move(nothing), noise_multiplier, random);
}

// The inner product of n independent pairs of standard normals has standard deviation sqrt(n): beyond 6 of
// these is a chance of 2e-9 for each of the 66 pairs, below 2e-7 for all (and the seed is fixed). The same
// noise twice would cancel in a difference: the rest would be released bare.
TEST(Noise, NoTwoBlocksParametersOrReleasesShareIt) {
  auto random = RandomStream::for_tests(1);
  std::vector<at::Tensor> parts;
  for (int release = 0; release < 2; ++release)
    for (const at::Tensor& values : pure_noise(random))
      for (const at::Tensor& part : values.flatten().split(kBlock)) parts.push_back(part);
  ASSERT_EQ(parts.size(), 12u);
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto size = static_cast<double>(parts[i].numel());
    EXPECT_NEAR(parts[i].square().sum().item<double>(), size, 6 * std::sqrt(2 * size)) << i;
    for (size_t j = 0; j < i; ++j) {
      const int64_t n = std::min(parts[i].numel(), parts[j].numel());
      const at::Tensor left = parts[i].slice(0, 0, n), right = parts[j].slice(0, 0, n);
      EXPECT_LT((left == right).sum().item<int64_t>(), n / 100) << i << " and " << j;  // by chance n / 3,600
      EXPECT_NEAR(left.dot(right).item<double>(), 0, 6 * std::sqrt(static_cast<double>(n)))
          << i << " and " << j;
    }
  }
}

TEST(Noise, ATestSeedGivesTheSameWithAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::vector<std::vector<at::Tensor>> released;
  for (const int now : {1, 4}) {
    at::set_num_threads(now);
    auto random = RandomStream::for_tests(2);
    released.push_back(pure_noise(random));
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < released[0].size(); ++i) EXPECT_TRUE(torch::equal(released[0][i], released[1][i]));
}

TEST(Noise, AMultiplierThatIsNoNoiseIsRefused) {
  auto random = RandomStream::for_tests(3);
  const std::vector<TrainedParameter> one = {{"a", torch::zeros({2}).requires_grad_()}};
  for (const double multiplier : {0.0, -1.0, std::nan(""), HUGE_VAL})
    EXPECT_THROW(add_noise(Clipper(one, 1.0).take(), multiplier, random), Error) << multiplier;
}

// One block of floats, two, and more, which are doubles: all of the sum is released.
TEST(Noise, IsAddedToTheWholeSum) {
  torch::manual_seed(6);
  for (const int64_t rows : {100, 300, 700}) {
    std::vector<TrainedParameter> parameters = {{"w", torch::randn({40, 30}).requires_grad_()},
                                                {"b", torch::randn({40}).requires_grad_()}};
    const auto clipped = [&, x = torch::randn({rows, 30}), g = torch::randn({rows, 40})] {
      Clipper clipper(parameters, 5.0);
      clipper.add(torch::linear(x, parameters[0].tensor, parameters[1].tensor), g);
      return clipper.take();
    };
    auto random = RandomStream::for_tests(5);
    const auto released = add_noise(clipped(), 1e-7, 2.0, parameters, random);
    const auto sums = clipped().tensors();
    for (size_t p = 0; p < sums.size(); ++p)
      EXPECT_LE((released[p] - sums[p] / 2).abs().max().item<double>(), 1e-4) << rows;
  }
}

// Sum, noise and scale in one pass give what they give one after another.
TEST(Noise, OverANormaliserInTheParametersType) {
  const std::vector<TrainedParameter> parameters = {
      {"floats", torch::zeros({300, 200}).requires_grad_()},
      {"doubles", torch::zeros({7}, torch::kDouble).requires_grad_()}};
  auto one = RandomStream::for_tests(4), other = RandomStream::for_tests(4);
  const auto apart = add_noise(Clipper(parameters, 1.5).take(), 2.0, one);
  const auto together = add_noise(Clipper(parameters, 1.5).take(), 2.0, 48.0, parameters, other);
  ASSERT_EQ(together.size(), 2u);
  EXPECT_EQ(together[0].scalar_type(), torch::kFloat);
  EXPECT_EQ(together[1].scalar_type(), torch::kDouble);
  EXPECT_TRUE(torch::equal(together[0], (apart[0] * (1.0 / 48.0)).to(torch::kFloat)));
  EXPECT_TRUE(torch::equal(together[1], apart[1] / 48.0));
  EXPECT_NEAR(together[0].std().item<double>(), 2.0 * 1.5 / 48, 0.02 * 2.0 * 1.5 / 48);  // 7 deviations
}

}  // namespace
}  // namespace discreet
