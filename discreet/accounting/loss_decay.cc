#include "discreet/accounting/loss_decay.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace discreet {
namespace {

using Direction = LossPair::Direction;

constexpr size_t kCells = 48;
constexpr double kOctave = 8;     // distances kept, from one to its double
constexpr double kUp = 1 + 1e-9;  // outweighs the roundings below
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double log_normal(double t) {
  return -t * t / 2 - std::log(2 * std::numbers::pi) / 2;
}

// The most of ln phi(t - mean) for t in [low, high].
double most_log_normal(double low, double high, double mean) {
  return log_normal(std::max({0.0, low - mean, mean - high}));
}

struct Cell {
  double low, high;                // of t
  double loss_low, loss_high;      // of the loss
  LossPair::Hits at_low, at_high;  // up grows in t, down falls
};

// The most of the tilted density of t, up to the tilted loss's moment.
double most_log_density(const LossPair& pair, double tilt, const Cell& cell) {
  double most = most_log_normal(cell.low, cell.high, 0);
  if (pair.direction() != Direction::kAdd) {
    // (1 - q) phi(t) + q phi(t - shift) = phi(t) mixture(t), whose factors have their most apart at worst
    most = std::min(most + pair.log_p(cell.high),
                    std::max(most, most_log_normal(cell.low, cell.high, pair.shift())));
  }
  return most + tilt * cell.loss_high;
}

// The most of |d ln g / dt|, where g = density of t / slope of the loss:
//   -t + (tilt + 1 or 0) shift up + tilt shift down - (ln slope)',
// |(ln slope)'| = shift |up (1 - up) - down (1 - down)| / (up + down) <= shift.
double steepest(const LossPair& pair, double tilt, const Cell& cell) {
  const double shift = pair.shift(), up = pair.direction() == Direction::kAdd ? 0 : 1 + tilt;
  const double low = -cell.high + up * shift * cell.at_low.up + tilt * shift * cell.at_high.down - shift;
  const double high = -cell.low + up * shift * cell.at_high.up + tilt * shift * cell.at_low.down + shift;
  return std::max(std::abs(low), std::abs(high));
}

}  // namespace

LossDecay::LossDecay(const LossPair& pair, double tilt, const TiltedLoss& tilted) {
  const auto [first, last] = tilted.bulk();
  std::vector<Cell> cells(kCells);
  std::vector<double> mass(kCells);
  const double width = (last - first) / static_cast<double>(kCells);
  for (size_t i = 0; i < kCells; ++i) {
    Cell& cell = cells[i];
    cell.low = i > 0 ? cells[i - 1].high : first;
    cell.high = first + static_cast<double>(i + 1) * width;
    cell.loss_low = i > 0 ? cells[i - 1].loss_high : pair.loss(cell.low);
    cell.loss_high = pair.loss(cell.high);
    cell.at_low = i > 0 ? cells[i - 1].at_high : pair.hits(cell.low);
    cell.at_high = pair.hits(cell.high);
    mass[i] =
        std::exp(std::log(pair.between(cell.low, cell.high).p) + tilt * cell.loss_low - tilted.log_moment()) /
        kUp;
    mass_ += mass[i];
    const double slope = pair.shift() * (cell.at_low.up + cell.at_high.down);
    const double most = std::exp(most_log_density(pair, tilt, cell) - tilted.log_moment()) / slope * kUp;
    // The ends, twice over, count in the cells that touch them.
    const double ends = (i == 0 ? 1 : 0) + (i + 1 == kCells ? 1 : 0);
    variation_ += most * (ends + steepest(pair, tilt, cell) * (cell.high - cell.low));
  }
  constexpr size_t kOctaves = 40;
  const double furthest = cells.back().loss_high - cells.front().loss_low;
  log_first_ = std::log2(furthest) - static_cast<double>(kOctaves);
  squares_.assign(static_cast<size_t>(kOctave) * kOctaves + 2, 0.0);
  for (size_t i = 0; i < kCells; ++i)
    for (size_t k = i + 1; k < kCells; ++k) {
      const double near = cells[k].loss_low - cells[i].loss_high,
                   far = cells[k].loss_high - cells[i].loss_low;
      const double at = std::ceil(std::max(0.0, (std::log2(far) - log_first_) * kOctave + 1e-9));
      squares_[std::min(static_cast<size_t>(at), squares_.size() - 1)] +=
          2 * mass[i] * mass[k] * near * near / kUp;
    }
  for (size_t i = 1; i < squares_.size(); ++i) squares_[i] += squares_[i - 1];
}

double LossDecay::squares_within(double distance) const {
  const double at = std::floor((std::log2(distance) - log_first_) * kOctave - 1e-9);
  return at < 0 ? 0 : squares_[static_cast<size_t>(std::min(at, static_cast<double>(squares_.size() - 1)))];
}

double LossDecay::log_bound(double low, double high) const {
  double best = std::log(std::min(1.0, (1 - mass_) * kUp + variation_ / low));
  if (!(high < kInfinity)) return best;
  for (const double u : {0.8, 1.2, 1.6, 2.0, 2.5, 3.0}) {
    const double factor = std::sin(u / 2) / (u / 2);
    const double away = low * low / 2 * factor * factor * squares_within(u / high);
    best = std::min(best, std::log1p(-std::min(away, 1 - 1e-12)) / 2);
  }
  return best;
}

}  // namespace discreet
