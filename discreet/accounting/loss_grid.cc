#include "discreet/accounting/loss_grid.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "discreet/accounting/normal_mass.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kFarthest = 1e4;  // of t, where its threshold is infinite
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// |z| beyond which a standard normal variable has at most this mass on one side.
double quantile(double tail) {
  double z = std::sqrt(-2 * std::log(tail));
  while (z > 0.1 && normal_mass(z - 0.1, kInfinity) <= tail) z -= 0.1;
  return z;
}

struct Range {
  double low, high;  // t; P has at most about `tail` on either side
};

Range range_of(const LossPair& pair, double tail) {
  const double z = quantile(tail);
  const bool mixture = pair.direction() != LossPair::Direction::kAdd;  // P reaches to N(1)
  return {-z, z + (mixture ? pair.shift() : 0)};
}

// Bound on |loss(threshold(l)) - l|, losses of a size up to `size`.
double inversion_error(const LossPair& pair, double size, const Range& range) {
  const double t = std::max(-range.low, range.high) + pair.shift();
  return 32 * kEpsilon * (1 + size + pair.shift() * t);
}

// Relative error of the masses in this range.
double mass_error(const LossPair& pair, const Range& range) {
  return normal_mass_error(std::max(-range.low, range.high) + 2 * pair.shift());
}

}  // namespace

LossGrid upper_grid(const LossPair& pair, double step, double tail) {
  const Range range = range_of(pair, tail);
  LossGrid grid;
  grid.step = step;
  grid.first = pair.loss(range.low);
  const double top = pair.loss(range.high);
  const auto cells = static_cast<int64_t>(std::ceil((top - grid.first) / step)) + 1;
  grid.mass.assign(static_cast<size_t>(cells) + 1, 0.0);
  // Each mass is raised by more than its error. What the split may be wrong by goes to the greater loss. The
  // losses that are split are computed ones, put between the ends of their cell: all of the grid is moved up
  // by more than that.
  const double relative = mass_error(pair, range), slack = 4 * relative, all = -std::expm1(-step);
  double low = range.low;
  grid.mass[0] = pair.between(-kInfinity, low).p * (1 + slack);  // moved up
  for (int64_t i = 0; i < cells && low < range.high; ++i) {
    const double start = grid.first + static_cast<double>(i) * step;
    const double high = std::min(pair.threshold(start + step), range.high);
    if (!(high > low)) continue;
    // P's and Q's masses are kept where p_above + p_below = p and
    // p_above e^-(start + step) + p_below e^-start = q.
    const auto [p, q] = pair.between(low, high);
    const double unsure = (2 * relative + 8 * kEpsilon * (1 + std::abs(start))) * p;
    const double above = std::clamp((p - std::exp(start) * q + unsure) / all, 0.0, p);
    grid.mass[static_cast<size_t>(i)] += (p - above) * (1 + slack);
    grid.mass[static_cast<size_t>(i) + 1] += above * (1 + slack);
    low = high;
  }
  grid.infinite = pair.between(low, kInfinity).p * (1 + slack);
  grid.first += 2 * inversion_error(pair, std::max(std::abs(grid.first), std::abs(top)), range);
  return grid;
}

namespace {

// Bottom-up cells of the pair, or top-down of it upside down.
class Merger {
 public:
  Merger(const LossPair& pair, bool down) : pair_(pair), sign_(down ? -1 : 1) {}
  double loss(double t) const { return sign_ * pair_.loss(sign_ * t); }
  double threshold(double l) const { return sign_ * pair_.threshold(sign_ * l); }
  LossPair::Masses between(double a, double b) const {
    return sign_ > 0 ? pair_.between(a, b) : pair_.between(-b, -a);
  }
  LossPair::Masses densities(double t) const { return pair_.densities(sign_ * t); }
  // ln of the larger mass to the smaller one, in the sense in which losses grow here.
  double merged(const LossPair::Masses& masses) const { return sign_ * std::log(masses.p / masses.q); }
  // The other end of the cell with one end at `fixed` whose merged loss is `target`, upwards or downwards;
  // NaN where it is more than 3 steps away. The merged loss may be off by about `leeway`.
  double other_end(double fixed, double target, bool upward, double step, double leeway) const {
    const double ratio = std::exp(sign_ * target), toward = upward ? 1 : -1;
    const auto off = [&](double t) {
      const auto [p, q] = upward ? between(fixed, t) : between(t, fixed);
      return sign_ * (p - ratio * q);
    };
    // `off` grows with t: too small at the target itself (upward), too large there (downward).
    double near = threshold(target), far = threshold(target + 3 * toward * step);
    if (!std::isfinite(far)) far = std::clamp(far, -kFarthest, kFarthest);
    if (!(toward * off(far) > 0)) return std::numeric_limits<double>::quiet_NaN();
    double t =
        std::isfinite(fixed) ? threshold(2 * target - loss(fixed)) : threshold(target + toward * step / 2);
    for (int round = 0; round < 100; ++round) {
      if (!(toward * (t - near) > 0 && toward * (far - t) > 0)) t = near + (far - near) / 2;
      const auto [p, q] = upward ? between(fixed, t) : between(t, fixed);
      const auto [dp, dq] = densities(t);
      const double value = sign_ * (p - ratio * q), slope = toward * sign_ * (dp - ratio * dq);
      if (std::abs(value) <= std::max(leeway, 8 * kEpsilon) * p) break;
      (toward * value > 0 ? far : near) = t;
      const double next = t - value / slope;
      if (std::abs(next - t) <= 4 * kEpsilon * (1 + std::abs(t)) || !(toward * (far - near) > 0)) break;
      t = next;
    }
    return t;
  }

 private:
  const LossPair& pair_;
  double sign_;
};

}  // namespace

LossGrid lower_grid(const LossPair& pair, double step, double tail, double leeway) {
  // Upwards from the end where losses may be heaped up, as far as the mass allows; the rest from the other
  // end to meet it. Upside down where the heap is at the greatest loss.
  const bool down = pair.direction() == LossPair::Direction::kAdd;
  const Merger merger(pair, down);
  const Range range = range_of(pair, tail);
  const double start = down ? -range.high : range.low, stop = down ? -range.low : range.high;
  double begin = merger.threshold(merger.loss(start) + step);
  LossPair::Masses cell = merger.between(-kInfinity, begin);
  const double first = merger.merged(cell);  // where the grid begins
  std::vector<double> mass(static_cast<size_t>((merger.loss(stop) - first) / step) + 3, 0.0);
  double worst = 0;  // how far a cell's merged loss is on the wrong side of its point
  const auto point = [&](int64_t i) { return first + static_cast<double>(i) * step; };
  const auto put = [&](const LossPair::Masses& masses, int64_t i) {
    if (!(masses.p > 0 && masses.q > 0)) return;
    mass[static_cast<size_t>(i)] += masses.p;
    const double merged = merger.merged(masses);
    worst = std::max(worst, down ? merged - point(i) : point(i) - merged);
  };
  put(cell, 0);
  int64_t i = 1;
  for (; begin < stop; ++i) {
    if (point(i) <= merger.loss(begin)) continue;
    const double end = merger.other_end(begin, point(i), true, step, leeway);
    if (!(end < stop)) break;
    put(merger.between(begin, end), i);
    begin = end;
  }
  double end = kInfinity;
  for (auto k = static_cast<int64_t>(mass.size()) - 1; end > begin; --k) {
    double next = begin;
    if (k >= i && point(k) < merger.loss(std::min(end, stop))) {
      next = merger.other_end(end, point(k), false, step, leeway);
      if (std::isnan(next)) next = merger.threshold(point(k) - (down ? 0 : step));
      next = std::clamp(next, begin, std::min(end, stop));
    } else if (k >= i) {
      continue;
    }
    cell = merger.between(next, end);
    if (cell.p > 0 && cell.q > 0) {
      // On its point, or on the next one of a lower loss.
      const double at = (merger.merged(cell) - first) / step;
      const double rounded = std::abs(at - std::round(at)) < 1e-7 ? std::round(at)
                             : down                               ? std::ceil(at)
                                                                  : std::floor(at);
      put(cell, std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, static_cast<int64_t>(mass.size()) - 1));
    }
    end = next;
  }
  LossGrid grid;
  grid.step = step;
  grid.mass = std::move(mass);
  const double relative = mass_error(pair, range);
  for (double& m : grid.mass) m *= 1 - 2 * relative;
  double offset = first;
  if (down) {
    offset = -point(static_cast<int64_t>(grid.mass.size()) - 1);
    std::reverse(grid.mass.begin(), grid.mass.end());
  }
  grid.first = offset - std::max(0.0, worst) - 4 * relative - 8 * kEpsilon * (1 + std::abs(offset));
  return grid;
}

}  // namespace discreet
