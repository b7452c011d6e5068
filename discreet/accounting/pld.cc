#include "discreet/accounting/pld.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "discreet/accounting/composed_loss.h"
#include "discreet/accounting/loss_grid.h"
#include "discreet/accounting/loss_pair.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

using Direction = LossPair::Direction;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUp = 1 + 1e-12;  // outweighs the roundings of a few products
constexpr double kWidth = 8e-4;    // aimed at between the bounds, relative; absolute below epsilon 1
constexpr double kMinDelta = 1e-30;
constexpr int kRounds = 5;  // of finer grids
constexpr int64_t kMaxCells = int64_t{1} << 22;
constexpr double kMaxStep = 100;  // of the grid: e^step has to be a number

[[noreturn]] void too_large() {
  throw Error(ErrorKind::kUnsupported,
              "the plan is out of the pld accountant's reach (too much loss or too many steps); use rdp");
}

// A tree of events as what composes.
struct Account {
  double mu_squared = 0;                                // of all plain Gaussians: sum of 1 / multiplier^2
  std::map<std::pair<double, double>, double> sampled;  // (sample_rate, noise_multiplier) -> how often
  double epsilon = 0, delta = 0;

  void add(const Event& event, double times) {
    if (times == 0) return;
    switch (event.kind()) {
      case Event::Kind::kGaussian:
        mu_squared += times / (event.noise_multiplier() * event.noise_multiplier()) * kUp;
        return;
      case Event::Kind::kPoissonSampled: {
        const Event& inner = event.events()[0];
        if (inner.kind() != Event::Kind::kGaussian) break;
        if (event.sample_rate() == 1) return add(inner, times);
        if (event.sample_rate() > 0) sampled[{event.sample_rate(), inner.noise_multiplier()}] += times;
        return;
      }
      case Event::Kind::kRepeated: return add(event.events()[0], times * static_cast<double>(event.count()));
      case Event::Kind::kComposed:
        for (const Event& part : event.events()) add(part, times);
        return;
      case Event::Kind::kEpsilonDelta:
        epsilon = (epsilon + times * event.epsilon()) * kUp;
        delta = (delta + times * event.delta()) * kUp;
        return;
      case Event::Kind::kDiscreteGaussian: break;
    }
    throw Error(ErrorKind::kUnsupported,
                std::string(to_string(event.kind())) + " has no privacy loss distribution here; use rdp");
  }
};

double normal_cdf(double x) {
  return std::erfc(-x * 0.70710678118654752440) / 2;
}

// Balle and Wang 2018: delta of a Gaussian whose means are mu standard deviations apart.
double gaussian_delta(double mu, double epsilon) {
  const double first = normal_cdf(mu / 2 - epsilon / mu), z = -mu / 2 - epsilon / mu;
  // e^epsilon Phi(z), where e^epsilon may overflow.
  const double second =
      z > -37 ? std::exp(epsilon) * normal_cdf(z) : std::exp(epsilon - z * z / 2) / (-z * 2.5066282746310002);
  return std::max(0.0, first - second);
}

PldBounds gaussian_epsilon(double mu, double delta) {
  const auto too_large = [&](double epsilon) { return gaussian_delta(mu, epsilon) > delta; };
  if (!too_large(0)) return {0, 0};
  double low = 0, high = 1;
  while (too_large(high)) {
    low = high;
    high *= 2;
  }
  for (int round = 0; round < 200 && high - low > 1e-13 * high; ++round) {
    const double middle = low + (high - low) / 2;
    (too_large(middle) ? low : high) = middle;
  }
  return {low * (1 - 1e-9), high * (1 + 1e-9)};
}

// What one step's loss is like, roughly: enough to choose a grid, not to certify anything.
struct Sketch {
  std::vector<double> loss, weight;
  double count;

  Sketch(const LossPair& pair, double times) : count(times) {
    const bool mixture = pair.direction() != Direction::kAdd;
    const double low = -9, high = 9 + (mixture ? pair.shift() : 0), stride = (high - low) / 256;
    for (double t = low + stride / 2; t < high; t += stride) {
      loss.push_back(pair.loss(t));
      weight.push_back(pair.densities(t).p * stride);
    }
  }
};

struct Guess {
  double tilt, epsilon, deviation;
};

Guess guess(const std::vector<Sketch>& sketches, double delta) {
  Guess best{1, kInfinity, 1};
  for (double tilt = 1e-3; tilt < 1e5; tilt *= 1.3) {
    double value = 0, variance = 0;
    for (const Sketch& sketch : sketches) {
      double peak = -kInfinity, sum = 0, first = 0, second = 0;
      for (size_t i = 0; i < sketch.loss.size(); ++i)
        if (sketch.weight[i] > 0) peak = std::max(peak, tilt * sketch.loss[i] + std::log(sketch.weight[i]));
      for (size_t i = 0; i < sketch.loss.size(); ++i) {
        const double w = sketch.weight[i] * std::exp(tilt * sketch.loss[i] - peak);
        sum += w;
        first += w * sketch.loss[i];
        second += w * sketch.loss[i] * sketch.loss[i];
      }
      value += sketch.count * (std::log(sum) + peak);
      variance += sketch.count * std::max(0.0, second / sum - (first / sum) * (first / sum));
    }
    const double epsilon = (value - std::log(delta)) / tilt;
    if (epsilon < best.epsilon) best = {tilt, epsilon, std::sqrt(variance)};
  }
  return best;
}

// fineness: 1 for the step that the sketch suggests, below for a finer one, but none below `step`, which
// becomes the one used.
ComposedLoss compose(const Account& account, Direction direction, double delta, double fineness,
                     double& step) {
  std::vector<std::pair<LossPair, double>> pairs;
  for (const auto& [rate_and_noise, count] : account.sampled)
    pairs.emplace_back(LossPair(direction, rate_and_noise.first, rate_and_noise.second), count);
  if (account.mu_squared > 0) {
    if (!(account.mu_squared > 1e-18 && account.mu_squared < 1e12)) too_large();
    pairs.emplace_back(LossPair(direction, 1, 1 / std::sqrt(account.mu_squared)), 1);
  }
  std::vector<Sketch> sketches;
  double count = 0;
  for (const auto& [pair, times] : pairs) {
    sketches.emplace_back(pair, times);
    count += times;
  }
  const Guess about = guess(sketches, delta);
  // A split cell of width h has a variance of h^2 / 6 on average, which moves epsilon by (tilt + 1) h^2 / 12
  // a step.
  step = std::max(step, std::min(std::sqrt(12 * kWidth * 0.45 * std::max(1.0, about.epsilon) /
                                           (count * (about.tilt + 1))),
                                 about.deviation / 8) *
                            fineness);

  for (const auto& [pair, times] : pairs)
    step = std::max(step, (pair.loss(12 + pair.shift()) - pair.loss(-12)) * 0x1p-20);
  const double tail = std::max(1e-300, std::min(1e-20, delta * 1e-8 / count));
  const double leeway = kWidth * 0.01 / count;
  std::vector<LossPart> parts;
  for (const auto& [pair, times] : pairs) {
    const double range = pair.loss(12 + pair.shift()) - pair.loss(-12 - pair.shift());
    if (!(range / step < static_cast<double>(kMaxCells)) || !(step < kMaxStep) || !(times <= 0x1p53))
      too_large();
    parts.push_back({upper_grid(pair, step, tail), lower_grid(pair, step, tail, leeway), times});
  }
  return ComposedLoss(parts, delta);
}

std::vector<Direction> directions(Relation relation) {
  if (relation == Relation::kReplaceOne) return {Direction::kReplace};
  return {Direction::kRemove, Direction::kAdd};
}

// The worse of the relation's directions. The first on a grid that is as fine as it should be, another one
// first on a coarse one, which is often enough to see that it is the better one; then whichever leaves the
// most open is made finer until the bounds are close. bounds_of: of a composed loss; width_of: how far bounds
// may be apart.
template <typename BoundsOf, typename WidthOf>
PldBounds worst(const Account& account, Relation relation, double delta, const BoundsOf& bounds_of,
                const WidthOf& width_of) {
  struct Side {
    Direction direction;
    double fineness = 1, step = 0;
    PldBounds bounds{0, kInfinity};
  };
  std::vector<Side> sides;
  for (const Direction direction : directions(relation)) {
    Side side{direction};
    if (!sides.empty()) side.step = 2.5 * sides[0].step;
    side.bounds = bounds_of(compose(account, direction, delta, side.fineness, side.step));
    sides.push_back(side);
  }
  for (int round = 0;; ++round) {
    Side& open = *std::max_element(sides.begin(), sides.end(), [](const Side& a, const Side& b) {
      return a.bounds.upper < b.bounds.upper;
    });
    PldBounds result{0, open.bounds.upper};
    for (const Side& side : sides) result.lower = std::max(result.lower, side.bounds.lower);
    const double goal = width_of(result), width = open.bounds.upper - open.bounds.lower;
    if (round == kRounds || !(result.upper - result.lower > goal)) return result;
    open.fineness *= std::clamp(std::sqrt(goal / width) * 0.9, 0.15, 0.6);
    double step = 0;
    PldBounds now;
    try {
      now = bounds_of(compose(account, open.direction, delta, open.fineness, step));
    } catch (const Error&) {
      return result;  // finer than the transform allows: what is certain already stays
    }
    if (!(step < open.step)) return result;
    open.step = step;
    open.bounds = {std::max(open.bounds.lower, now.lower), std::min(open.bounds.upper, now.upper)};
  }
}

}  // namespace

PldBounds pld_epsilon(const Event& event, Relation relation, double delta) {
  if (!(delta > 0 && delta < 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "delta must be above 0 and below 1, not " + format_number(delta));
  }
  if (delta < kMinDelta) {
    throw Error(ErrorKind::kUnsupported, "delta is out of the pld accountant's reach, which begins at 1e-30");
  }
  Account account;
  account.add(event, 1);
  const double left = delta - account.delta;
  const bool has_loss = account.mu_squared > 0 || !account.sampled.empty();
  if (has_loss ? !(left > 0) : left < 0) {
    throw Error(ErrorKind::kInvalidArgument, "delta must be above " + format_number(account.delta) +
                                                 ", the sum of the deltas of the events, not " +
                                                 format_number(delta));
  }
  PldBounds bounds;
  if (!has_loss) return {account.epsilon, account.epsilon};
  if (account.sampled.empty()) {
    const double mu = (relation == Relation::kReplaceOne ? 2 : 1) * std::sqrt(account.mu_squared);
    bounds = gaussian_epsilon(mu, left);
  } else {
    bounds = worst(
        account, relation, left,
        [&](const ComposedLoss& sum) {
          return PldBounds{sum.epsilon_lower(left), sum.epsilon_upper(left)};
        },
        [](const PldBounds& now) { return kWidth * std::max(1.0, now.lower); });
  }
  if (!std::isfinite(bounds.upper)) too_large();
  bounds.upper = (bounds.upper + account.epsilon) * kUp;
  return bounds;
}

PldBounds pld_delta(const Event& event, Relation relation, double epsilon) {
  if (!(epsilon >= 0)) {
    throw Error(ErrorKind::kInvalidArgument, "epsilon must be at least 0, not " + format_number(epsilon));
  }
  Account account;
  account.add(event, 1);
  if (account.mu_squared == 0 && account.sampled.empty()) {
    return epsilon >= account.epsilon ? PldBounds{0, account.delta} : PldBounds{0, 1};
  }
  const double rest = std::max(0.0, epsilon - account.epsilon);
  PldBounds bounds;
  if (epsilon < account.epsilon) return {0, 1};
  if (account.sampled.empty()) {
    const double mu = (relation == Relation::kReplaceOne ? 2 : 1) * std::sqrt(account.mu_squared);
    const double delta = gaussian_delta(mu, rest);
    bounds = {delta * (1 - 1e-9), delta * (1 + 1e-9)};
  } else {
    // The window belongs where delta is: guess, look, and look again there.
    double about = 1e-5;
    for (int round = 0; round < 3; ++round) {
      bounds = worst(
          account, relation, about,
          [&](const ComposedLoss& sum) {
            return PldBounds{sum.delta_lower(rest), sum.delta_upper(rest)};
          },
          [&](const PldBounds& now) { return kWidth * std::max(now.upper, 1e-12); });
      if (bounds.upper < 10 * about && bounds.upper > about / 10) break;
      about = std::clamp(bounds.upper, 1e-15, 0.5);
    }
  }
  bounds.upper = std::min(1.0, (bounds.upper + account.delta) * kUp);
  return bounds;
}

}  // namespace discreet
