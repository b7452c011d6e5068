#include "discreet/accounting/inversion_line.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numbers>
#include <utility>

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLeastTilt = 1e-4, kMostTilt = 1e7;
constexpr double kMostPoints = 1 << 12;  // of one release's quadrature
constexpr double kRounding = 0x1p-50;

// Where `falls` passes from positive to negative, to a fiftieth.
double crossing(const std::function<double(double)>& falls) {
  double low = 1, high = 1;
  while (high < kMostTilt && falls(high) > 0) {
    low = high;
    high *= 8;
  }
  if (high == 1) {
    do {
      high = low;
      low /= 8;
    } while (low > kLeastTilt && !(falls(low) > 0));
  }
  while (high > low * 1.02) {
    const double middle = std::sqrt(low * high);
    (falls(middle) > 0 ? low : high) = middle;
  }
  return high;
}

// Cuts each release at a share of epsilon, the largest with which common outcomes alone pass epsilon with
// next to no probability.
bool cut(const GaussianLosses& losses, double extra, InversionLine& line) {
  const double goal = line.log_delta + std::log(kLeftOut);
  for (const double share : {1. / 4, 1. / 6, 1. / 9, 1. / 14, 1. / 20, 1. / 30, 1. / 50}) {
    for (const double strength : {1.2, 1.6, 2.2, 3.0}) {
      const double tilt = -goal * strength / line.epsilon;
      if (!(tilt < kMostTilt)) return false;  // where epsilon is next to 0
      std::vector<OutcomeCut> cuts;
      double sum = (losses.mu_squared + extra) / 2 * tilt * (1 + tilt);
      double common = 0;
      for (const auto& [pair, count] : losses.sampled) {
        OutcomeCut at{pair.threshold(share * line.epsilon), 1 / (pair.shift() * std::sqrt(1 + tilt))};
        at.width = std::min(at.width, 0.5);
        if (!(std::abs(at.at) < 20) ||
            !(TiltedLoss::points(pair, tilt, 0, TiltedLoss::Part::kCommon, at) < 8 * kMostPoints)) {
          common = kInfinity;
          break;
        }
        const TiltedLoss loss(pair, tilt, 0, TiltedLoss::Part::kCommon, at);
        common +=
            count * (loss.log_moment() + loss.log_moment_error() + kRounding * std::abs(loss.log_moment()));
        cuts.push_back(at);
      }
      if (!(sum + common - tilt * line.epsilon + log_chernoff(tilt) < goal)) continue;
      line.cuts = cuts;
      line.common_tilt = tilt;
      line.common_log_moment = common;
      return true;
    }
  }
  return false;
}

}  // namespace

SumMoments sum_moments(const GaussianLosses& losses, double tilt) {
  SumMoments sum;
  for (size_t i = 0; i < losses.sampled.size(); ++i) {
    const auto& [pair, count] = losses.sampled[i];
    if (!(TiltedLoss::points(pair, tilt, 0, TiltedLoss::Part::kAll, {}, losses.top(i)) < kMostPoints))
      return {kInfinity, kInfinity, kInfinity, kInfinity};
    const TiltedLoss loss(pair, tilt, 0, TiltedLoss::Part::kAll, {}, losses.top(i));
    if (!std::isfinite(loss.log_moment_error())) return {kInfinity, kInfinity, kInfinity, kInfinity};
    sum.value += count * loss.log_moment();
    sum.error += count * (loss.log_moment_error() + kRounding * std::abs(loss.log_moment()));
    sum.mean += count * loss.mean();
    sum.variance += count * loss.variance();
  }
  const double plain = losses.mu_squared / 2 * tilt * (1 + tilt);
  sum.value += plain;
  sum.error += kRounding * (1 + plain);
  sum.mean += losses.mu_squared * (0.5 + tilt);
  sum.variance += losses.mu_squared;
  return sum;
}

double log_chernoff(double tilt) {
  return -tilt * std::log1p(1 / tilt) - std::log1p(tilt);
}

double tilt_for_delta(const GaussianLosses& losses, double delta) {
  return crossing([&](double tilt) {
    const SumMoments sum = sum_moments(losses, tilt);
    if (!std::isfinite(sum.value)) return -1.0;
    return sum.value - tilt * sum.mean - std::log(tilt * (1 + tilt)) -
           std::log(2 * std::numbers::pi * sum.variance) / 2 - std::log(delta);
  });
}

double tilt_for_epsilon(const GaussianLosses& losses, double epsilon) {
  // A little above mean = epsilon, which may have no solution.
  return crossing([&](double tilt) { return epsilon - sum_moments(losses, tilt).mean + 1 / tilt; });
}

std::optional<InversionLine> inversion_line(const GaussianLosses& losses, double most, double epsilon,
                                            double log_delta, double extra) {
  constexpr double kRatio = 1.4;
  constexpr int kAbove = 4, kBelow = 12;
  std::vector<std::pair<double, double>> moments_at;  // tilt, ln E e^(tilt L); rising
  for (int i = -kBelow; i <= kAbove; ++i) {
    const double tilt = most * std::pow(kRatio, i);
    const double value = sum_moments(losses, tilt).value;
    if (std::isfinite(value)) moments_at.emplace_back(tilt, value);
  }
  if (moments_at.empty()) return {};
  double least_delta = -1e-3, least_epsilon = kInfinity;
  for (const auto& [tilt, value] : moments_at) {
    least_delta = std::min(least_delta, value + log_chernoff(tilt) - tilt * epsilon);
    least_epsilon = std::min(least_epsilon, (value + log_chernoff(tilt) - log_delta) / tilt);
  }
  if (std::isnan(epsilon)) epsilon = std::max(least_epsilon, 0.0);
  if (std::isnan(log_delta)) log_delta = least_delta;
  // Errors grow by e^(K - tilt epsilon) / delta, and with the number of releases: to about 1e-5 of delta.
  const auto log_factor = [&](const std::pair<double, double>& at) {
    return at.second - at.first * epsilon - log_delta;
  };
  double releases = 1, least_factor = kInfinity;
  for (const auto& [pair, count] : losses.sampled) releases += count;
  for (const auto& at : moments_at) least_factor = std::min(least_factor, log_factor(at));
  const double usual_factor = std::log(1e8 / releases);
  InversionLine best{.epsilon = epsilon, .log_delta = log_delta, .period = kInfinity};
  const bool is_rare = least_factor + 1 > usual_factor && extra > 0 && cut(losses, extra, best);
  const double left_out = log_delta + std::log(kLeftOut);
  double least_cost = kInfinity;
  for (size_t i = 0; i < moments_at.size(); ++i) {
    const auto [tilt, value] = moments_at[i];
    const double excess = is_rare ? 0 : std::max(0.0, log_factor(moments_at[i]) - usual_factor);
    for (size_t k = i + 1; k < moments_at.size(); ++k) {
      const auto [further, further_value] = moments_at[k];
      const double above =
          (further_value + log_chernoff(further) - further * epsilon - left_out) / (further - tilt);
      const double period = std::max(above, -left_out / tilt) * 1.02, cost = std::log(period) + excess / 2;
      if (!(period > 0 && cost < least_cost)) continue;
      least_cost = cost;
      best.tilt = tilt;
      best.further_tilt = further;
      best.period = period;
    }
  }
  if (!std::isfinite(best.period)) return {};
  return best;
}

}  // namespace discreet
