#include "discreet/accounting/tilted_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "discreet/accounting/loss_decay.h"

namespace discreet {
namespace {

using Direction = LossPair::Direction;

struct Case {
  double rate, noise, tilt;
};
constexpr Case kCases[] = {{0.01, 1, 4}, {0.2, 4, 30}, {0.5, 0.7, 0.3}, {1e-4, 0.6, 6}, {0.9, 20, 100}};
constexpr Direction kDirections[] = {Direction::kRemove, Direction::kAdd, Direction::kReplace};

// By many small steps of the rectangle rule, in the machine's extended precision.
// Of each outcome t, its share weight(t).
template <typename Weight>
std::complex<long double> slow_moment(const LossPair& pair, double tilt, double frequency,
                                      const Weight& weight) {
  const long double low = -14, high = 14 + (1 + 2 * tilt) * pair.shift(), step = 1.0L / 2048;
  const auto steps = static_cast<int>((high - low) / step);
  std::complex<long double> sum = 0;
  for (int i = 0; i <= steps; ++i) {
    const long double t = low + i * step;
    if (t > 40 && weight(t) == 0) continue;  // what it is multiplied by may be no number
    const auto loss = static_cast<long double>(pair.loss(static_cast<double>(t)));
    sum += weight(t) * std::exp(-t * t / 2 + pair.log_p(static_cast<double>(t)) + tilt * loss) *
           std::complex<long double>(std::cos(frequency * loss), std::sin(frequency * loss));
  }
  return sum * step * 0.398942280401432677939946L;
}
std::complex<long double> slow_moment(const LossPair& pair, double tilt, double frequency) {
  return slow_moment(pair, tilt, frequency, [](long double) { return 1.0L; });
}

// For a whole tilt k - 1 the moment is a sum over how often the record was drawn (Mironov, Talwar, Zhang
// 2019, section 3.3).
TEST(TiltedLoss, HasTheMomentOfWholeOrders) {
  for (const int order : {2, 3, 8, 32}) {
    const double rate = 0.02, noise = 1.3;
    long double sum = 0;
    for (int k = 0; k <= order; ++k)
      sum += std::exp(std::lgamma(order + 1.0L) - std::lgamma(k + 1.0L) - std::lgamma(order - k + 1.0L) +
                      k * std::log(static_cast<long double>(rate)) +
                      (order - k) * std::log1p(-static_cast<long double>(rate)) +
                      k * (k - 1) / (2 * noise * noise));
    const TiltedLoss loss(LossPair(Direction::kRemove, rate, noise), order - 1);
    EXPECT_NEAR(loss.log_moment(), static_cast<double>(std::log(sum)), loss.log_moment_error()) << order;
    EXPECT_LT(loss.log_moment_error(), 1e-11);
  }
}

TEST(TiltedLoss, AgreesWithSlowIntegration) {
  for (const Case& at : kCases)
    for (const Direction direction : kDirections) {
      const LossPair pair(direction, at.rate, at.noise);
      const double stride = 0.7 / std::sqrt(TiltedLoss(pair, at.tilt).variance());
      constexpr size_t kCount = 6;
      const TiltedLoss loss(pair, at.tilt, stride * kCount);
      const std::complex<long double> all = slow_moment(pair, at.tilt, 0);
      EXPECT_NEAR(loss.log_moment(), static_cast<double>(std::log(all.real())), 1e-12);
      const auto psi = loss.transform(stride, kCount);
      for (size_t n = 1; n <= kCount; ++n) {
        const double frequency = stride * static_cast<double>(n);
        const std::complex<long double> slow =
            slow_moment(pair, at.tilt, frequency) / all *
            std::polar(1.0L, -static_cast<long double>(frequency) * loss.mean());
        EXPECT_LE(std::abs(std::complex<long double>(psi[n - 1]) - slow),
                  loss.transform_error(stride, n) + 1e-13)
            << at.rate << " " << at.tilt << " " << n;
      }
      EXPECT_LT(loss.transform_error(stride, kCount), 1e-10);
    }
}

// Parts, also one that begins beyond where the whole would end, and what is common for a top, also one below
// the cut.
TEST(TiltedLoss, PartsAgreeWithSlowIntegration) {
  using Part = TiltedLoss::Part;
  const OutcomeCut nowhere;
  const struct {
    double rate, noise, tilt;
    OutcomeCut cut, top;
  } cases[] = {{0.01, 1, 4, {2.5, 0.2}, nowhere},
               {0.2, 20, 0.3, {12, 0.3}, nowhere},
               {0.3, 2, 6, {3, 0.4}, {7, 0.3}},
               {0.2, 20, 0.3, {6, 0.05}, {5, 0.5}},
               {1e-6, 1, 300, {6, 0.05}, {9.5, 0.05}}};
  for (const auto& at : cases)
    for (const Direction direction : kDirections)
      for (const Part part : {Part::kAll, Part::kCommon, Part::kRare}) {
        if (part == Part::kAll && !at.top.is_somewhere()) continue;
        const LossPair pair(direction, at.rate, at.noise);
        const auto weight = [&](long double t) {
          const auto common = [&](const OutcomeCut& cut, long double sign) {
            return cut.is_somewhere() ? std::erfc(sign * (t - cut.at) / cut.width) / 2 : 1.0L;
          };
          return common(at.top, 1) *
                 (part == Part::kAll ? 1.0L : common(at.cut, part == Part::kCommon ? 1 : -1));
        };
        const TiltedLoss rough(pair, at.tilt, 0, part, at.cut, at.top);
        const double stride = std::min(0.7 / std::sqrt(rough.variance()), 1e3);
        constexpr size_t kCount = 1;
        const TiltedLoss loss(pair, at.tilt, stride * kCount, part, at.cut, at.top);
        const std::complex<long double> all = slow_moment(pair, at.tilt, 0, weight);
        const auto said = [&] {
          return testing::Message() << at.rate << " " << at.tilt << " " << static_cast<int>(direction) << " "
                                    << static_cast<int>(part);
        };
        EXPECT_NEAR(loss.log_moment(), static_cast<double>(std::log(all.real())), 1e-11) << said();
        EXPECT_LT(loss.log_moment_error(), 1e-10) << said();
        const auto psi = loss.transform(stride, kCount);
        for (size_t n = 1; n <= kCount; ++n) {
          const double frequency = stride * static_cast<double>(n);
          const std::complex<long double> slow =
              slow_moment(pair, at.tilt, frequency, weight) / all *
              std::polar(1.0L, -static_cast<long double>(frequency) * loss.mean());
          EXPECT_LE(std::abs(std::complex<long double>(psi[n - 1]) - slow),
                    loss.transform_error(stride, n) + 1e-12)
              << said() << " " << n;
        }
      }
}

// Of a large tilt nearly all that a top leaves is far beyond it, where erfc is hardly a number any more: that
// counts as error. (By many small steps, in extended precision, whose numbers reach farther.)
TEST(TiltedLoss, CountsWhatIsTooSmallForANumber) {
  const LossPair pair(Direction::kRemove, 0.01, 2);
  const OutcomeCut top{8.31285, 0.132442};
  double furthest = 0;
  for (const double tilt : {30.0, 1036.0, 1037.0, 1038.0, 1039.0, 1039.6, 1041.0}) {
    constexpr long double kStep = 1.0L / 4096;
    long double sum = 0;
    for (long double t = -9; t < 16; t += kStep)
      sum += std::exp(-t * t / 2 + (1 + tilt) * static_cast<long double>(pair.loss(static_cast<double>(t)))) *
             std::erfc((t - top.at) / top.width) / 2;
    const auto slow = static_cast<double>(std::log(sum * kStep * 0.398942280401432677939946L));
    const TiltedLoss loss(pair, tilt, 0, TiltedLoss::Part::kAll, {}, top);
    const double off = std::abs(loss.log_moment() - slow);
    EXPECT_LE(off, loss.log_moment_error() + 1e-10) << tilt;
    if (tilt < 100) {
      EXPECT_LT(loss.log_moment_error(), 1e-10);
    }
    furthest = std::max(furthest, off);
  }
  EXPECT_GT(furthest, 0.1);
}

TEST(TiltedLoss, MeanAndVarianceAreDerivativesOfTheMoment) {
  for (const Case& at : kCases) {
    const LossPair pair(Direction::kReplace, at.rate, at.noise);
    const double step = 1e-3 * at.tilt;
    const double before = TiltedLoss(pair, at.tilt - step).log_moment(),
                 now = TiltedLoss(pair, at.tilt).log_moment(),
                 after = TiltedLoss(pair, at.tilt + step).log_moment();
    const TiltedLoss loss(pair, at.tilt);
    EXPECT_NEAR((after - before) / (2 * step), loss.mean(),
                1e-4 * std::abs(loss.mean()) + 1e-3 * std::sqrt(loss.variance()));
    EXPECT_NEAR((after - 2 * now + before) / (step * step), loss.variance(), 1e-3 * loss.variance());
  }
}

TEST(LossDecay, BoundsTheTransform) {
  for (const Case& at : kCases)
    for (const Direction direction : kDirections) {
      const LossPair pair(direction, at.rate, at.noise);
      const TiltedLoss rough(pair, at.tilt);
      const LossDecay decay(pair, at.tilt, rough);
      const double deviation = std::sqrt(rough.variance());
      double best = 0;
      for (const double stride : {0.01 / deviation, 0.3 / deviation, 3 / deviation}) {
        constexpr size_t kCount = 40;
        const auto psi = TiltedLoss(pair, at.tilt, stride * kCount).transform(stride, kCount);
        for (size_t n = 1; n <= kCount; ++n) {
          const double frequency = stride * static_cast<double>(n), size = std::log(std::abs(psi[n - 1]));
          EXPECT_LE(size, decay.log_bound(frequency, frequency) + 1e-11) << at.rate << " " << frequency;
          EXPECT_LE(decay.log_bound(frequency * 0.9, frequency * 1.1) + 1e-15, 1e-12);
          EXPECT_GE(decay.log_bound(frequency * 0.9, frequency * 1.1), decay.log_bound(frequency, frequency));
          best = std::min(best, decay.log_bound(frequency, frequency));
        }
      }
      // Says something, where it is not as if nothing ever happened.
      if (at.rate > 1e-3) {
        EXPECT_LT(best, -0.2) << at.rate << " " << at.noise;
      }
    }
}

}  // namespace
}  // namespace discreet
