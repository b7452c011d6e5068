#include "discreet/accounting/pld_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/accounting/bounded_loss_grid.h"
#include "discreet/accounting/loss_grid.h"
#include "discreet/accounting/mechanism.h"
#include "discreet/accounting/pld.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

using Direction = LossPair::Direction;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUp = 1 + 1e-12;  // outweighs the roundings of a few products
constexpr int64_t kMaxCells = int64_t{1} << 22;
constexpr double kMaxStep = 100;  // of the grid: e^step has to be a number

[[noreturn]] void too_large() {
  throw Error(ErrorKind::kUnsupported,
              "the plan is out of the pld accountant's reach (too much loss or too many steps); use rdp");
}

// What one release's loss is like, roughly: enough to choose a grid, not to certify anything.
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

  Sketch(const BoundedLoss& pair, double times) : count(times) {
    for (const BoundedLoss::Atom& atom : pair.atoms) {
      loss.push_back(atom.loss);
      weight.push_back(atom.mass);
    }
    // Finer and finer towards the greatest loss, where a large tilt puts the mass.
    constexpr double kFinest = 1e-9, kRatio = 1.15;
    for (double u = 2 * pair.largest; pair.density > 0 && u > kFinest * pair.largest; u /= kRatio) {
      const double middle = u * (1 + 1 / kRatio) / 2;
      loss.push_back(pair.largest - middle);
      weight.push_back(pair.density * std::exp(-middle / 2) * u * (1 - 1 / kRatio));
    }
  }
};

// The sum of all sketched losses, tilted: ln E e^(tilt L) and its first two derivatives.
struct Moments {
  double value = 0, mean = 0, variance = 0;
};

Moments moments(const std::vector<Sketch>& sketches, double tilt) {
  Moments total;
  for (const Sketch& sketch : sketches) {
    double peak = -kInfinity, all = 0, sum = 0, first = 0, second = 0;
    for (const double loss : sketch.loss) peak = std::max(peak, tilt * loss);
    for (size_t i = 0; i < sketch.loss.size(); ++i) {
      const double loss = sketch.loss[i], w = sketch.weight[i] * std::exp(tilt * loss - peak);
      all += sketch.weight[i];
      sum += w;
      first += w * loss;
      second += w * loss * loss;
    }
    if (!(sum > 0)) continue;
    total.value += sketch.count * (std::log(sum / all) + peak);
    total.mean += sketch.count * first / sum;
    total.variance += sketch.count * std::max(0.0, second / sum - (first / sum) * (first / sum));
  }
  return total;
}

struct Guess {
  double tilt, epsilon, deviation;
};

// By Chernoff's bound on delta itself, with K = ln E e^(tilt L):
//   delta(epsilon) <= e^(K - tilt epsilon) tilt^tilt / (1 + tilt)^(1 + tilt)
// The last factor is the most of (1 - e^-x) e^(-tilt x); it keeps the tilt finite where delta is less than
// the mass of the greatest loss. The bound is least where tilt K' - K + ln(1 + tilt) = -ln delta.
Guess guess(const std::vector<Sketch>& sketches, double delta) {
  double low = std::log(1e-4), high = std::log(1e9);
  for (int round = 0; round < 40; ++round) {
    const double middle = (low + high) / 2, tilt = std::exp(middle);
    const Moments sum = moments(sketches, tilt);
    (tilt * sum.mean - sum.value + std::log1p(tilt) < -std::log(delta) ? low : high) = middle;
  }
  const double tilt = std::exp(low);
  const Moments sum = moments(sketches, tilt);
  const double log_most = -tilt * std::log1p(1 / tilt) - std::log1p(tilt);
  return {tilt, (sum.value + log_most - std::log(delta)) / tilt, std::sqrt(sum.variance)};
}

// How far the atoms of all pairs are from the points of their grids (bounded_loss_grid.h), all releases
// together.
double misplacement(const std::vector<std::pair<BoundedLoss, double>>& bounded, double step) {
  double sum = 0;
  for (const auto& [pair, count] : bounded) {
    const double points = pair.spacing / step;
    sum += count * (std::ceil(points - 1e-9) - points) * step;
  }
  return sum;
}

// A step near `step` that divides the spacing of the atoms that matter most, and that of the others as well
// as it can: a lower grid must lower what it cannot place.
double aligned(const std::vector<std::pair<BoundedLoss, double>>& bounded, double step) {
  constexpr double kFinest = 16, kTries = 1000;
  double main_spacing = 0, most = 0;
  for (const auto& [pair, count] : bounded) {
    if (pair.spacing * kFinest < step || !(count * pair.spacing > most)) continue;
    most = count * pair.spacing;
    main_spacing = pair.spacing;
  }
  if (main_spacing == 0) return step;
  const double cells = std::max(1.0, std::ceil(main_spacing / step));
  double best = main_spacing / cells, least = misplacement(bounded, best);
  for (double n = cells + 1; n <= std::min(2 * cells, cells + kTries); ++n) {
    const double sum = misplacement(bounded, main_spacing / n);
    if (sum >= least * 0.99) continue;
    least = sum;
    best = main_spacing / n;
  }
  return best;
}

}  // namespace

PldPlan::PldPlan(const Event& event, Relation relation) : relation_(relation) {
  add(event, 1);
}

double PldPlan::mu() const {
  return distance(relation_) * std::sqrt(mu_squared_);
}

void PldPlan::add(const Event& event, double times) {
  if (times == 0) return;
  const auto add_gaussian = [&](double noise_multiplier) {
    mu_squared_ += times / (noise_multiplier * noise_multiplier) * kUp;
  };
  switch (event.kind()) {
    case Event::Kind::kGaussian: return add_gaussian(event.noise_multiplier());
    case Event::Kind::kMatrixGaussian: return add_gaussian(event.noise_multiplier() / event.sensitivity());
    case Event::Kind::kLaplace:
    case Event::Kind::kDiscreteLaplace:
    case Event::Kind::kRandomizedResponse:
    case Event::Kind::kExponentialMechanism: {
      const auto [part, is_new] = bounded_.try_emplace(event.to_json().dump());
      if (is_new) part->second.loss = bounded_loss(event, relation_);
      part->second.count += times;
      return;
    }
    case Event::Kind::kEpsilonDelta:
      epsilon_ = (epsilon_ + times * event.epsilon()) * kUp;
      delta_ = (delta_ + times * event.delta()) * kUp;
      return;
    case Event::Kind::kPoissonSampled: {
      check_sampled(event);
      const Event& inner = event.events()[0];
      if (event.sample_rate() == 1) return add(inner, times);
      if (event.sample_rate() > 0) sampled_[{event.sample_rate(), inner.noise_multiplier()}] += times;
      return;
    }
    case Event::Kind::kThresholdedSelection:
      check_thresholded_selection(event);
      delta_ = (delta_ + times * event.delta()) * kUp;
      return add(event.events()[0], times);
    case Event::Kind::kRepeated: return add(event.events()[0], times * static_cast<double>(event.count()));
    case Event::Kind::kComposed:
      for (const Event& part : event.events()) add(part, times);
      return;
    case Event::Kind::kDiscreteGaussian:
    case Event::Kind::kFixedSizeSampled:
    case Event::Kind::kRepeatAndSelect: break;
  }
  throw Error(ErrorKind::kUnsupported,
              std::string(to_string(event.kind())) + " has no privacy loss distribution here; use rdp");
}

bool PldPlan::has_gap() const {
  return std::any_of(bounded_.begin(), bounded_.end(),
                     [](const auto& part) { return part.second.loss.atoms.empty(); });
}

double PldPlan::largest_loss(Direction direction) const {
  if (mu_squared_ > 0 || (!sampled_.empty() && direction != Direction::kAdd)) return kInfinity;
  double sum = draws_loss();
  for (const auto& [name, part] : bounded_) sum = (sum + part.count * part.loss.largest) * kUp;
  return sum;
}

double PldPlan::most_delta() const {
  if (mu_squared_ > 0 || !bounded_.empty()) return 1;
  return std::min(1.0, -std::expm1(-draws_loss()) * kUp);
}

double PldPlan::draws_loss() const {
  double sum = 0;
  for (const auto& [rate_and_noise, count] : sampled_)
    sum = (sum - count * std::log1p(-rate_and_noise.first)) * kUp;
  return sum;
}

std::vector<Direction> PldPlan::directions() const {
  if (relation_ == Relation::kReplaceOne) return {Direction::kReplace};
  if (sampled_.empty()) return {Direction::kRemove};  // the rest is symmetric
  return {Direction::kRemove, Direction::kAdd};
}

std::optional<GaussianLosses> PldPlan::gaussian_losses(Direction direction) const {
  if (!bounded_.empty()) return {};
  GaussianLosses losses;
  for (const auto& [rate_and_noise, count] : sampled_)
    losses.sampled.emplace_back(LossPair(direction, rate_and_noise.first, rate_and_noise.second), count);
  losses.mu_squared = mu() * mu() * kUp;
  return losses;
}

ComposedLoss PldPlan::compose(Direction direction, double delta, double fineness, double& step) const {
  std::vector<std::pair<LossPair, double>> pairs;
  for (const auto& [rate_and_noise, count] : sampled_)
    pairs.emplace_back(LossPair(direction, rate_and_noise.first, rate_and_noise.second), count);
  if (mu_squared_ > 0) {
    if (!(mu_squared_ > 1e-18 && mu_squared_ < 1e12)) too_large();
    pairs.emplace_back(LossPair(direction, 1, 1 / std::sqrt(mu_squared_)), 1);
  }
  std::vector<Sketch> sketches;
  double count = 0;
  for (const auto& [pair, times] : pairs) {
    sketches.emplace_back(pair, times);
    count += times;
  }
  for (const auto& [name, part] : bounded_) {
    sketches.emplace_back(part.loss, part.count);
    count += part.count;
  }
  const Guess about = guess(sketches, delta);
  // A split cell of width h has a variance of h^2 / 6 on average, which moves epsilon by (tilt + 1) h^2 / 12
  // a release.
  const double wanted = 12 * kPldWidth * 0.45 * std::max(1.0, about.epsilon) / (count * (about.tilt + 1));
  step = std::max(step, std::min(std::sqrt(wanted), about.deviation / 8) * fineness);
  // Finer than this makes no difference: every release moves epsilon by at most a step.
  step = std::max(step, kPldWidth / 32 * std::max(1.0, about.epsilon) / count);
  for (const auto& [pair, times] : pairs)
    step = std::max(step, (pair.loss(12 + pair.shift()) - pair.loss(-12)) * 0x1p-20);
  std::vector<std::pair<BoundedLoss, double>> attained;  // where the dominating pair is not
  for (const auto& [name, part] : bounded_) {
    const double largest = part.loss.largest;
    step = std::max(step, largest * 0x1p-17);
    attained.emplace_back(
        part.loss.atoms.empty() ? BoundedLoss::two_outcomes(largest, 1 + about.tilt) : part.loss, part.count);
  }
  step = aligned(attained, step);
  if (!(step < kMaxStep)) too_large();

  const double tail = std::max(1e-300, std::min(1e-20, delta * 1e-8 / count));
  const double leeway = kPldWidth * 0.01 / count;
  std::vector<LossPart> parts;
  const auto check_size = [&](double range, double times) {
    if (!(range / step < static_cast<double>(kMaxCells)) || !(times <= 0x1p53)) too_large();
  };
  for (const auto& [pair, times] : pairs) {
    check_size(pair.loss(12 + pair.shift()) - pair.loss(-12 - pair.shift()), times);
    parts.push_back({upper_grid(pair, step, tail), lower_grid(pair, step, tail, leeway), times});
  }
  auto lower = attained.begin();
  for (const auto& [name, part] : bounded_) {
    check_size(2 * part.loss.largest, part.count);
    parts.push_back({upper_grid(part.loss, step), lower_grid((lower++)->first, step), part.count});
  }
  return ComposedLoss(parts, delta);
}

}  // namespace discreet
