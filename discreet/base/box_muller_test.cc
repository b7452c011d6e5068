#include "discreet/base/box_muller.h"

#include <gtest/gtest.h>
#include <quadmath.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "discreet/base/random.h"
#include "discreet/base/vector_testing.h"

namespace discreet {
namespace {

struct Pair {
  float noise[2], error;
};

// Evaluates as many pairs as there are words, by groups.
class Batch {
 public:
  static constexpr size_t kPairs = 1024;
  void set(size_t pair, uint32_t radius_word, uint32_t angle_word) {
    words_[at(pair)] = radius_word;
    words_[at(pair) + kPairsInGroup] = angle_word;
  }
  void evaluate(double scale) { box_muller_floats(words_, scale, noise_, error_); }
  Pair operator[](size_t pair) const {
    return {{noise_[at(pair)], noise_[at(pair) + kPairsInGroup]}, error_[pair]};
  }

 private:
  static size_t at(size_t pair) { return pair / kPairsInGroup * kGroup + pair % kPairsInGroup; }
  alignas(64) uint32_t words_[2 * kPairs] = {};
  alignas(64) float noise_[2 * kPairs] = {}, error_[kPairs] = {};
};

// The angle word 0 is x = 0 and sine 0, cosine 1: the first value is the radius.
Pair one(uint32_t radius_word, uint32_t angle_word, double scale) {
  Batch batch;
  batch.set(0, radius_word, angle_word);
  batch.evaluate(scale);
  return batch[0];
}

// Every word in `make soak`; else one in about 8,000, never the same low bits.
uint64_t soak_or(uint64_t stride) {
  return std::getenv("DISCREET_SOAK") ? 1 : stride;
}

// Calls check(word, pair) for every stride-th word.
template <class Set, class Check>
void for_words(double scale, uint64_t stride, const Set& set, const Check& check) {
  Batch batch;
  constexpr uint64_t kWords = uint64_t{1} << 32;
  for (uint64_t first = 0; first < kWords; first += Batch::kPairs * stride) {
    for (size_t i = 0; i < Batch::kPairs; ++i) set(batch, i, static_cast<uint32_t>(first + i * stride));
    batch.evaluate(scale);
    for (size_t i = 0; i < Batch::kPairs && first + i * stride < kWords; ++i) {
      check(static_cast<uint32_t>(first + i * stride), batch[i]);
    }
  }
}

// The three parts of kFloatError; see box_muller_floats.cc.
constexpr double kRadiusError = 0x1.6bp-23, kAngleError = 0x1.dep-23, kRounding = 0x1p-24;

TEST(BoxMuller, TheBoundOfFloatsIsTheSumOfItsParts) {
  // A product and a sum are rounded after radius and angle; the last term is for products of errors.
  EXPECT_GT(kFloatError, kRadiusError + kAngleError + 2 * kRounding + 0x1p-40);
}

TEST(BoxMuller, TheRadiusKeepsItsPartForEveryWord) {
  with_all_vectors([&] {
    for (const double scale : {1024., 1448.15, 1777.7, std::nextafter(2048., 0.)}) {
      double worst = 0;
      int64_t outside = 0, checked = 0;
      for_words(
          scale, scale == 1024 ? soak_or(8191) : 8191,
          [](Batch& batch, size_t i, uint32_t word) { batch.set(i, word, 0); },
          [&](uint32_t word, const Pair& pair) {
            ++checked;
            outside += std::isinf(pair.error);
            if (std::isinf(pair.error)) return;
            const double nearer = (static_cast<double>(word >> 31 ? ~word : word) + 0.5) * 0x1p-32;
            const double r = scale * std::sqrt(-2 * (word >> 31 ? std::log1p(-nearer) : std::log(nearer)));
            worst = std::max(worst, std::abs(pair.noise[0] / r - 1));
          });
      EXPECT_LT(worst, kRadiusError) << scale;
      EXPECT_GT(worst, kRadiusError / 4) << scale;  // what is measured is what is bounded
      // exp(-3.9^2 / 2) + 1 - exp(-2^-15)
      EXPECT_NEAR(static_cast<double>(outside) / static_cast<double>(checked), 5.285e-4, 5e-6);
    }
  });
}

TEST(BoxMuller, TheAngleKeepsItsPartForEveryWord) {
  with_all_vectors([&] {
    // A scale at which this word's radius is exactly 1024, so that the products below are exact.
    constexpr uint32_t kRadiusWord = 0x60000000;
    double scale = 1024 / std::sqrt(-2 * std::log(0.375));
    float low = static_cast<float>(scale) - 1, high = low + 2;
    while (std::nextafter(low, high) < high) {
      const float middle = low + (high - low) / 2;
      (one(kRadiusWord, 0, middle).noise[0] < 1024 ? low : high) = middle;
    }
    scale = high;
    ASSERT_EQ(one(kRadiusWord, 0, scale).noise[0], 1024);
    double worst = 0;
    for_words(
        scale, soak_or(8191), [](Batch& batch, size_t i, uint32_t word) { batch.set(i, kRadiusWord, word); },
        [&](uint32_t word, const Pair& pair) {
          const double v = (static_cast<double>((word ^ 0x80000000u) >> 1) + 0.5) * 0x1p-31;
          const double x = std::numbers::pi * (v - 0.5), sign = word & 1 ? -1 : 1;
          worst = std::max({worst, std::abs(sign * pair.noise[0] / 1024 - std::cos(x)),
                            std::abs(sign * pair.noise[1] / 1024 - std::sin(x))});
        });
    EXPECT_LT(worst, kAngleError);
    EXPECT_GT(worst, kAngleError / 4);
  });
}

double distance(double noise, __float128 exact) {
  return std::abs(static_cast<double>(exact - noise));
}

// Whatever the digits not yet drawn are: the ends of both intervals, and something between.
TEST(BoxMuller, TheBoundsHoldForAllFurtherDigits) {
  RandomStream random = RandomStream::for_tests(1);
  std::vector<uint32_t> words;
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t power = uint32_t{1} << bit;
    for (const uint32_t word :
         {power, power - 1, power + 1, ~power, ~power + 1, ~power + 2, power + power / 2})
      words.push_back(word);
  }
  with_all_vectors([&] {
    const double scale = std::nextafter(2048., 0.);
    Batch batch;
    int64_t bounded = 0;
    for (int round = 0; round < 12; ++round) {
      std::vector<std::pair<uint32_t, uint32_t>> pairs;
      for (size_t i = 0; i < Batch::kPairs; ++i) {
        const uint64_t bits = random.next(), more = random.next();
        auto radius = static_cast<uint32_t>(bits), angle = static_cast<uint32_t>(bits >> 32);
        if (more & 1) radius = words[more / 4 % words.size()];
        if (more & 2) angle = words[more / 1024 % words.size()];
        pairs.emplace_back(radius, angle);
        batch.set(i, radius, angle);
      }
      batch.evaluate(scale);
      for (size_t i = 0; i < Batch::kPairs; ++i) {
        const auto [radius, angle] = pairs[i];
        double doubles[2];
        const double error = box_muller_double(radius, angle, scale, doubles);
        for (int kind = 0; kind < 3; ++kind) {
          __float128 exact[2];
          box_muller_quad(
              radius, angle,
              [&]() -> uint64_t { return kind == 0   ? 1
                                         : kind == 1 ? UINT64_MAX
                                                     : random.next(); }, scale,
              exact);
          for (int k = 0; k < 2; ++k) {
            ASSERT_LE(distance(batch[i].noise[k], exact[k]), batch[i].error) << radius << " " << angle;
            ASSERT_LE(distance(doubles[k], exact[k]), error) << radius << " " << angle;
            bounded += !std::isinf(batch[i].error) && !std::isinf(error);
          }
        }
      }
    }
    EXPECT_GT(bounded, 40000);
  });
}

TEST(BoxMuller, DoublesBoundNothingInTheTails) {
  double noise[2];
  for (const uint32_t word : {0u, 255u, ~0u, ~255u}) {
    EXPECT_TRUE(std::isinf(box_muller_double(word, 4, 1024, noise))) << word;
  }
  EXPECT_LT(box_muller_double(256, 4, 1024, noise), 1);
  EXPECT_LT(box_muller_double(~256u, 4, 1024, noise), 1);
}

// The tails go on for ever: a radius whose first words are zero is further out, not cut off.
TEST(BoxMuller, QuadruplePrecisionHasUnlimitedTails) {
  int zeros = 0;
  __float128 noise[2];
  box_muller_quad(
      0, 0, [&]() -> uint64_t { return zeros++ < 2 ? 0 : 1; }, 1, noise);
  EXPECT_GT(static_cast<double>(hypotq(noise[0], noise[1])), std::sqrt(2 * (32 + 2 * 64) * std::log(2.)));
  box_muller_quad(
      ~0u, 0, [] { return UINT64_MAX / 2; }, 1, noise);
  EXPECT_LT(static_cast<double>(hypotq(noise[0], noise[1])), std::sqrt(2 * 0x1p-32));
  EXPECT_GT(noise[0], 0);
}

// tests/reference/make_normal_pairs.py: mpmath, to 40 digits and to 9.4 standard deviations.
TEST(BoxMuller, AgreesWithMpmathFarBeyondAnySample) {
  const char* source = std::getenv("DISCREET_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "run through ctest, which sets DISCREET_SOURCE";
  std::ifstream file(std::string(source) + "/tests/reference/normal_pairs.csv");
  std::string line;
  std::getline(file, line);
  double furthest = 0;
  int pairs = 0;
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string cell;
    uint64_t words[7];
    for (uint64_t& word : words) {
      std::getline(cells, cell, ',');
      word = std::stoull(cell, nullptr, 16);
    }
    __float128 noise[2];
    int drawn = 0;
    const double scale = 1024;
    box_muller_quad(
        static_cast<uint32_t>(words[0]), static_cast<uint32_t>(words[1]), [&] { return words[2 + drawn++]; },
        scale, noise);
    const auto radius_word = static_cast<uint32_t>(words[0]), angle_word = static_cast<uint32_t>(words[1]);
    const Pair floats = one(radius_word, angle_word, scale);
    double doubles[2];
    const double error = box_muller_double(radius_word, angle_word, scale, doubles);
    for (int k = 0; k < 2; ++k) {
      std::getline(cells, cell, ',');
      const __float128 expected = scale * strtoflt128(cell.c_str(), nullptr);
      EXPECT_LT(static_cast<double>(fabsq(noise[k] - expected)), 0x1p-90) << line;
      EXPECT_LE(distance(floats.noise[k], expected), floats.error) << line;
      EXPECT_LE(distance(doubles[k], expected), error) << line;
    }
    furthest = std::max(furthest, static_cast<double>(hypotq(noise[0], noise[1])) / scale);
    ++pairs;
  }
  EXPECT_GT(furthest, 9);
  EXPECT_GT(pairs, 150);
}

}  // namespace
}  // namespace discreet
