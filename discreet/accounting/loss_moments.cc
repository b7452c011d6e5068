#include "discreet/accounting/loss_moments.h"

#include <algorithm>
#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <limits>
#include <numbers>

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLeastTilt = 1e-4, kMostTilt = 1e5;

// Beyond 2 / step the grid does not resolve e^(tilt L).
double most_tilt(const ThinLoss& thin) {
  return std::min(kMostTilt, 2 / thin.step());
}

}  // namespace

double log_moment(const LossGrid& grid, double tilt) {
  const double factor = std::exp(tilt * grid.step);
  double scale = 1, sum = 0, log_scale = 0;
  for (const double mass : grid.mass) {
    sum += mass * scale;
    scale *= factor;
    if (scale > 1e100) {  // one that vanishes need not be kept: its terms are below 1e-200 of the first ones
      sum /= scale;
      log_scale += std::log(scale);
      scale = 1;
    }
  }
  return std::log(sum) + log_scale + tilt * grid.first;
}

double log_moment(const std::vector<LossPart>& parts, LossSide side, double tilt) {
  double sum = 0;
  for (const LossPart& part : parts) sum += part.count * log_moment(part.*side, tilt);
  return sum;
}

ThinLoss::ThinLoss(const std::vector<LossPart>& parts, LossSide side) : step_((parts[0].*side).step) {
  constexpr size_t kClusters = 300;
  for (const LossPart& part : parts) {
    const LossGrid& grid = part.*side;
    const size_t block = grid.mass.size() / kClusters + 1;
    Part thin{{}, part.count};
    for (size_t begin = 0; begin < grid.mass.size(); begin += block) {
      double mass = 0, first = 0, second = 0;
      for (size_t i = begin; i < std::min(begin + block, grid.mass.size()); ++i) {
        const auto at = static_cast<double>(i - begin);
        mass += grid.mass[i];
        first += grid.mass[i] * at;
        second += grid.mass[i] * at * at;
      }
      if (!(mass > 0)) continue;
      const double mean = first / mass;
      thin.clusters.push_back({grid.first + (static_cast<double>(begin) + mean) * grid.step, mass,
                               std::max(0.0, second / mass - mean * mean) * grid.step * grid.step});
    }
    parts_.push_back(std::move(thin));
  }
}

double ThinLoss::count() const {
  double sum = 0;
  for (const Part& part : parts_) sum += part.count;
  return sum;
}

LossMoments ThinLoss::moments(double tilt) const {
  LossMoments result;
  for (const Part& part : parts_) {
    const double shift = tilt > 0 ? part.clusters.back().loss : part.clusters.front().loss;
    double sum = 0, first = 0, second = 0;
    for (const Cluster& cluster : part.clusters) {
      const double off = cluster.loss - shift,
                   weight = cluster.mass * std::exp(tilt * off) * (1 + tilt * tilt * cluster.variance / 2);
      const double loss = off + tilt * cluster.variance;
      sum += weight;
      first += weight * loss;
      second += weight * (loss * loss + cluster.variance);
    }
    const double mean = first / sum;
    result.value += part.count * (std::log(sum) + tilt * shift);
    result.mean += part.count * (shift + mean);
    result.variance += part.count * std::max(0.0, second / sum - mean * mean);
  }
  if (!std::isfinite(result.value)) result.value = kInfinity;
  return result;
}

double saddlepoint_epsilon(const ThinLoss& thin, double delta) {
  const auto log_delta = [&](double tilt) {
    const LossMoments now = thin.moments(tilt);
    return now.value - tilt * now.mean - std::log(tilt * (1 + tilt)) -
           std::log(2 * std::numbers::pi * now.variance) / 2;
  };
  double low = kLeastTilt, high = most_tilt(thin);
  while (high > low * 1.02) {
    const double middle = std::sqrt(low * high);
    (log_delta(middle) > std::log(delta) ? low : high) = middle;
  }
  return thin.moments(high).mean;
}

double enough_tilt(const ThinLoss& thin, double delta, double epsilon, double leeway) {
  const double goal = std::log(leeway * delta);
  if (goal >= 0) return 0;
  const auto enough = [&](double tilt) {
    const LossMoments now = thin.moments(tilt);
    return !(now.mean < epsilon) || now.value - tilt * epsilon <= goal;
  };
  if (enough(0)) return 0;
  double low = 0, high = kLeastTilt;
  while (!enough(high) && high < most_tilt(thin)) {
    low = high;
    high *= 2;
  }
  for (int round = 0; round < 6; ++round) {
    const double middle = (low + high) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

double tilted_reach(const std::vector<LossPart>& parts, LossSide side, const ThinLoss& thin, double tilt,
                    double tail, double sign) {
  const double base = thin.moments(tilt).value, cost = -std::log(tail);
  const auto reach = [&](double log_extra) {
    const double extra = std::exp(log_extra);
    return (thin.moments(tilt + sign * extra).value - base + cost) / extra;
  };
  const double extra = std::exp(
      boost::math::tools::brent_find_minima(reach, std::log(kLeastTilt), std::log(2 / thin.step()), 8).first);
  const double moved = log_moment(parts, side, tilt + sign * extra) - log_moment(parts, side, tilt);
  return sign * (moved + cost) / extra;
}

}  // namespace discreet
