#include "discreet/dp/device/box_muller.h"

#include <gtest/gtest.h>
#include <quadmath.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "discreet/base/box_muller.h"
#include "discreet/base/random.h"
#include "discreet/dp/device/wide.h"

namespace discreet::device {
namespace {

constexpr size_t kFurther = 8;

// Words of pairs, and of each the further digits.
struct Words {
  std::vector<uint32_t> radius, angle;
  std::vector<std::array<uint32_t, kFurther>> further;

  void add(uint32_t radius_word, uint32_t angle_word, const std::array<uint32_t, kFurther>& digits) {
    radius.push_back(radius_word);
    angle.push_back(angle_word);
    further.push_back(digits);
  }
};

at::Tensor tensor_of(const std::vector<uint32_t>& words) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(words.size())}, at::kInt);
  for (size_t i = 0; i < words.size(); ++i) tensor.data_ptr<int32_t>()[i] = static_cast<int32_t>(words[i]);
  return tensor;
}

at::Tensor further_of(const Words& words) {
  std::vector<uint32_t> all;
  for (size_t word = 0; word < kFurther; ++word)
    for (const auto& digits : words.further) all.push_back(digits[word]);
  return tensor_of(all).view({kFurther, -1});
}

std::array<uint32_t, kFurther> digits_from(RandomStream& random) {
  std::array<uint32_t, kFurther> digits;
  for (uint32_t& word : digits) word = static_cast<uint32_t>(random.next());
  return digits;
}

// What box_muller_quad makes of them. A leading word of zeros takes 64 digits more there, which here are
// after the last: they are 0.
void quad(const Words& words, size_t i, double scale, __float128 noise[2]) {
  const auto pair_of_words = [&](size_t j) {
    return uint64_t{words.further[i][2 * j + 1]} << 32 | words.further[i][2 * j];
  };
  const uint32_t radius = words.radius[i], angle = words.angle[i];
  std::vector<uint64_t> digits = {pair_of_words(0), pair_of_words(1)};
  if (radius == 0 || radius == ~0u) digits.push_back(0);
  digits.insert(digits.end(), {pair_of_words(2), pair_of_words(3), 0});
  size_t taken = 0;
  box_muller_quad(
      radius, angle, [&] { return digits.at(taken++); }, scale, noise);
}

__float128 value_of(const at::Tensor& noise, int64_t k, size_t pair) {
  const auto limbs = noise.accessor<double, 3>();
  __float128 value = 0;
  for (int64_t i = kLimbs; i-- > 0;)
    value += ldexpq(limbs[i][k][static_cast<int64_t>(pair)], static_cast<int>(-kLimbBits * i));
  return value;
}

const std::vector<uint32_t> kRadiusEdges = {0,          1,          2,          255,        256,
                                            0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0x80000001,
                                            0xfffffffe, 0xffffffff, 0xffffff00, 0xfffffeff};
const std::vector<uint32_t> kAngleEdges = {0,          1,          2,          3,          0x3fffffff,
                                           0x3ffffffe, 0x40000000, 0x40000001, 0x7fffffff, 0x7ffffffe,
                                           0x80000000, 0x80000001, 0xbfffffff, 0xbffffffe, 0xc0000000,
                                           0xc0000001, 0xffffffff, 0xfffffffe};

Words edges(RandomStream& random) {
  Words words;
  for (const uint32_t radius : kRadiusEdges)
    for (const uint32_t angle : kAngleEdges) words.add(radius, angle, digits_from(random));
  return words;
}

Words random_words(RandomStream& random, size_t n) {
  Words words;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t both = random.next();
    auto radius = static_cast<uint32_t>(both);
    // Every size of u and of 1 - u.
    if (i % 2) radius >>= random.next() % 32;
    if (i % 4 == 1) radius = ~radius;
    words.add(radius, static_cast<uint32_t>(both >> 32), digits_from(random));
  }
  return words;
}

// -> the largest difference
double furthest_from_quad(const Words& words, double scale) {
  const at::Tensor noise =
      box_muller_wide(tensor_of(words.radius), tensor_of(words.angle), further_of(words), scale);
  double worst = 0;
  for (size_t i = 0; i < words.radius.size(); ++i) {
    __float128 expected[2];
    quad(words, i, scale, expected);
    for (int k = 0; k < 2; ++k) {
      const __float128 difference = fabsq(value_of(noise, k, i) - expected[k]);
      if (!(difference < 0x1p-80))
        ADD_FAILURE() << words.radius[i] << " " << words.angle[i] << " " << k << ": "
                      << static_cast<double>(difference);
      worst = std::max(worst, static_cast<double>(difference));
    }
  }
  return worst;
}

TEST(DeviceBoxMuller, WideNumbersAreThoseOfQuadruplePrecision) {
  RandomStream random = RandomStream::for_tests(1);
  for (const double scale : {1024., 1777.7, std::nextafter(2048., 0.)})
    RecordProperty("furthest",
                   std::to_string(std::log2(furthest_from_quad(random_words(random, 2000), scale))));
}

TEST(DeviceBoxMuller, WideNumbersAreRightAtTheEdges) {
  RandomStream random = RandomStream::for_tests(2);
  for (const double scale : {1024., std::nextafter(2048., 0.)}) furthest_from_quad(edges(random), scale);
}

// Every further word counts, at its place: each bit moves the pair as it moves that of quadruple precision.
TEST(DeviceBoxMuller, EveryFurtherWordCounts) {
  Words words;
  words.add(0x12345678, 0x2345678a, {});
  for (size_t word = 0; word < kFurther; ++word) {
    std::array<uint32_t, kFurther> digits{};
    digits[word] = 0xffffffff;
    words.add(0x12345678, 0x2345678a, digits);
  }
  const double scale = 1500;
  const at::Tensor noise =
      box_muller_wide(tensor_of(words.radius), tensor_of(words.angle), further_of(words), scale);
  const __float128 none = value_of(noise, 0, 0);
  // High words first: 32 digits more, the noise moves by up to 2^-21 and by 2^-32 less each time; the last
  // is beyond what scale and error leave.
  for (size_t word = 0; word < kFurther; ++word) {
    const auto moved = static_cast<double>(fabsq(value_of(noise, 0, word + 1) - none));
    const int place = static_cast<int>(word / 2 % 2 * 2 + (word % 2 ? 0 : 1));
    EXPECT_LT(moved, std::ldexp(1., -32 * place - 17)) << word;
    if (place < 3) {
      EXPECT_GT(moved, std::ldexp(1., -32 * place - 25)) << word;
    }
  }
  furthest_from_quad(words, scale);
}

TEST(DeviceBoxMuller, TheBoundOfDoublesHolds) {
  RandomStream random = RandomStream::for_tests(3);
  int64_t bounded = 0;
  for (Words words : {random_words(random, 20000), edges(random)}) {
    const double scale = std::nextafter(2048., 0.);
    const Pairs pairs = box_muller_doubles(tensor_of(words.radius), tensor_of(words.angle), scale);
    for (size_t i = 0; i < words.radius.size(); ++i) {
      const double error = pairs.error.data_ptr<double>()[i];
      double noise[2];
      const double base_error = box_muller_double(words.radius[i], words.angle[i], scale, noise);
      ASSERT_EQ(std::isinf(error), std::isinf(base_error)) << words.radius[i];
      if (std::isinf(error)) continue;
      ASSERT_NEAR(error / base_error, 1, 1e-12);
      ++bounded;
      for (const uint32_t digit : {1u, ~0u, 0x9e3779b9u}) {
        words.further[i].fill(digit);
        __float128 exact[2];
        quad(words, i, scale, exact);
        for (int k = 0; k < 2; ++k) {
          const double got = pairs.noise[k].data_ptr<double>()[i];
          ASSERT_LE(static_cast<double>(fabsq(exact[k] - got)), error)
              << words.radius[i] << " " << words.angle[i];
          ASSERT_NEAR(got, noise[k], 1e-9);
        }
      }
    }
  }
  EXPECT_GT(bounded, 12000);
}

TEST(DeviceBoxMuller, DoublesBoundNothingInTheTails) {
  const at::Tensor radius = tensor_of({0u, 255u, 256u, ~256u, ~255u, ~0u}),
                   angle = at::full({6}, 4, at::kInt);
  const at::Tensor error = box_muller_doubles(radius, angle, 1024).error;
  for (const int i : {0, 1, 4, 5}) EXPECT_TRUE(std::isinf(error[i].item<double>())) << i;
  for (const int i : {2, 3}) EXPECT_LT(error[i].item<double>(), 1) << i;
}

// u = 0 to all digits, and as near to 1 as they go: nothing that is not finite.
TEST(DeviceBoxMuller, WideNumbersAreFiniteWhereAllDigitsAreAlike) {
  Words words;
  for (const uint32_t radius : {0u, ~0u})
    for (const uint32_t digit : {0u, 1u, ~0u}) {
      words.add(radius, 0, {});
      words.further.back().fill(digit);
    }
  const at::Tensor noise =
      box_muller_wide(tensor_of(words.radius), tensor_of(words.angle), further_of(words), 1024);
  EXPECT_TRUE(noise.isfinite().all().item<bool>());
}

TEST(DeviceBoxMuller, ReadsNothing) {
  const auto meta = at::TensorOptions(at::kInt).device(at::kMeta);
  const at::Tensor words = at::empty({9}, meta);
  EXPECT_EQ(box_muller_wide(words, words, at::empty({8, 9}, meta), 1024).sizes(),
            (std::vector<int64_t>{kLimbs, 2, 9}));
  EXPECT_EQ(box_muller_doubles(words, words, 1024).noise.sizes(), (std::vector<int64_t>{2, 9}));
}

}  // namespace
}  // namespace discreet::device
