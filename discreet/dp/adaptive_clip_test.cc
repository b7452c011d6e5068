#include "discreet/dp/adaptive_clip.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/sampling.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double count_part(double norm, double clip) {
  return count_parts(at::scalar_tensor(norm, at::kDouble), clip).item<double>();
}

TEST(CountPart, IsBoundedAndFallsGently) {
  for (const double clip : {1e-12, 0.3, 1.0, 1e12}) {
    EXPECT_EQ(count_part(0, clip), 0.5);
    EXPECT_EQ(count_part(clip, clip), 0);
    EXPECT_EQ(count_part(1e300, clip), -0.5);
    double last = 0.5;
    for (double ratio = 0; ratio < 2; ratio += 1e-3) {
      const double part = count_part(ratio * clip, clip);
      EXPECT_LE(part, last);
      EXPECT_LE(last - part, 4.001e-3);  // 1 over a quarter of the clip
      EXPECT_LE(std::abs(part), 0.5);
      if (ratio < 0.874) {
        EXPECT_EQ(part, 0.5);
      }
      if (ratio > 1.126) {
        EXPECT_EQ(part, -0.5);
      }
      last = part;
    }
  }
}

// However the units are ordered or spread over processes: every bit of the sum.
TEST(CountPart, AddsUpExactly) {
  constexpr int kUnits = 10007, kProcesses = 7;
  double forward = 0, backward = 0;
  std::array<double, kProcesses> parts = {};
  const auto part = [](int unit) { return count_part(0.8 + 0.4 * unit / kUnits, 1.1); };
  for (int unit = 0; unit < kUnits; ++unit) {
    forward += part(unit);
    backward += part(kUnits - 1 - unit);
    parts[unit % kProcesses] += part(unit);
  }
  EXPECT_EQ(forward, backward);
  EXPECT_EQ(forward, std::accumulate(parts.begin(), parts.end(), 0.0));
  EXPECT_NE(forward, std::round(forward));  // of parts between -1/2 and 1/2
}

// A unit moves the sum by one sensitivity and the count by 1/2, so the two apart are Gaussian mechanisms of
// z_sum and 2 s. Composed they cost what the one event costs, and never more.
TEST(AdaptiveClip, SumAndCountTogetherCostTheEvent) {
  for (const double noise_multiplier : {0.3, 1.0, 7.5}) {
    for (const double ratio : {0.50001, 0.6, 1.0, 20.0, 1e6}) {
      const AdaptiveClip clip({.count_noise_multiplier = ratio * noise_multiplier}, noise_multiplier, 100, 1);
      EXPECT_EQ(clip.count_stddev(), ratio * noise_multiplier);
      const Event apart = Event::composed(
          {Event::gaussian(clip.sum_noise_multiplier()), Event::gaussian(2 * clip.count_stddev())});
      for (const Relation relation : {Relation::kAddOrRemoveOne, Relation::kReplaceOne, Relation::kZeroOut}) {
        const double charged = rdp_epsilon(Event::gaussian(noise_multiplier), relation, 1e-6);
        EXPECT_NEAR(rdp_epsilon(apart, relation, 1e-6), charged, 1e-6 * charged);
      }
      const auto inverse_square = [](double x) { return 1 / (x * x); };
      EXPECT_LE(inverse_square(clip.sum_noise_multiplier()) + inverse_square(2 * clip.count_stddev()),
                inverse_square(noise_multiplier) * (1 + 1e-15));
    }
  }
  EXPECT_EQ(AdaptiveClip({}, 1.0, 500, 1).count_stddev(), 25);
}

// The count's noise, read back from the clip: its mean square over 20,000 releases is within 5.5 sqrt(2 /
// 20000) of s^2 but for a chance of 4e-8, and its mean within 5.5 / sqrt(20000) of 0, alike.
TEST(AdaptiveClip, TheCountHasItsNoise) {
  constexpr int kTrials = 20000;
  constexpr double kStddev = 3, kBatch = 40, kRate = 0.1, kTarget = 0.3, kCount = -7.25;
  const AdaptiveClip clip(
      {.target_quantile = kTarget, .learning_rate = kRate, .count_noise_multiplier = kStddev}, 1, kBatch, 1);
  auto random = RandomStream::for_tests(1);
  double sum = 0, squares = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const double share = kTarget - std::log(clip.next(2, kCount, random) / 2) / kRate;
    const double noise = ((share - 0.5) * kBatch - kCount) / kStddev;
    sum += noise;
    squares += noise * noise;
  }
  EXPECT_NEAR(sum / kTrials, 0, 5.5 / std::sqrt(kTrials));
  EXPECT_NEAR(squares / kTrials, 1, 5.5 * std::sqrt(2.0 / kTrials));
}

// 400 units whose norms are 0.1 to 10 on a logarithmic scale, a quarter of them drawn: near its end the share
// within the clip is a stationary sequence of standard deviation 0.01, so 0.08 is a chance of 1e-14.
TEST(AdaptiveClip, ComesToTheQuantileOfKnownNorms) {
  std::vector<double> norms;
  for (int unit = 0; unit < 400; ++unit) norms.push_back(0.1 * std::pow(100, (unit + 0.5) / 400));
  auto random = RandomStream::for_tests(2);
  for (const double target : {0.2, 0.5, 0.9}) {
    for (const double first : {0.01, 100.0}) {
      const AdaptiveClip adaptive({.target_quantile = target}, 1.0, 100, first);
      double clip = first;
      for (int step = 0; step < 600; ++step) {
        double count = 0;
        for (const int64_t unit : poisson_sample(random, 400, 0.25))
          count += count_part(norms[static_cast<size_t>(unit)], clip);
        clip = adaptive.next(clip, count, random);
      }
      const auto within = std::lower_bound(norms.begin(), norms.end(), clip) - norms.begin();
      EXPECT_NEAR(static_cast<double>(within) / 400, target, 0.08) << first;
    }
  }
}

TEST(AdaptiveClip, StaysInItsRange) {
  auto random = RandomStream::for_tests(3);
  const AdaptiveClip clip({}, 1.0, 100, 1);
  EXPECT_EQ(clip.next(1, 1e9, random), kLeastClip);
  EXPECT_EQ(clip.next(1, -1e9, random), kLargestClip);
}

TEST(AdaptiveClip, NamesTheOptionThatIsOutOfRange) {
  const auto refused = [](AdaptiveClipping options, double batch_size, double first, const char* field) {
    try {
      AdaptiveClip clip(options, 1.0, batch_size, first);
      ADD_FAILURE() << field << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  };
  const double nan = std::nan("");
  for (const double bad : {-0.1, 1.1, nan}) refused({.target_quantile = bad}, 100, 1, "target_quantile");
  for (const double bad : {0.0, 11.0, nan}) refused({.learning_rate = bad}, 100, 1, "learning_rate");
  for (const double bad : {0.0, -1.0, 0.5, kInfinity, nan})
    refused({.count_noise_multiplier = bad}, 100, 1, "count_noise_multiplier");
  refused({}, 10, 1, "batch_size / 20");
  for (const double bad : {0.0, 1e-13, 1e13, nan}) refused({}, 100, bad, "max_grad_norm");
}

}  // namespace
}  // namespace discreet
