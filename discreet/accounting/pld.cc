#include "discreet/accounting/pld.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "discreet/accounting/composed_loss.h"
#include "discreet/accounting/inverted_loss.h"
#include "discreet/accounting/plain_gaussian.h"
#include "discreet/accounting/pld_plan.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUp = 1 + 1e-12;    // outweighs the roundings of a few products
constexpr int kRounds = 5;           // of finer grids
constexpr double kShrinks = 0.8;     // at least to that by a round, or no more rounds
constexpr int kTailRounds = 7;       // of inversions without tails
constexpr int kMostIdle = 3;         // of those in a row that bring the bounds no closer
constexpr double kTailShare = 5e-5;  // of delta: what tails that are left out may hold
constexpr double kMinDelta = 1e-30;
constexpr size_t kKept = 6;  // compositions of a direction

// The least value that golden section finds on [low, high]. Every value is a bound, so any of them will do.
template <typename Function>
double least(const Function& function, double low, double high) {
  constexpr double kGolden = 0.61803398874989484820;
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double at_a = function(a), at_b = function(b), best = std::min(function(low), function(high));
  for (int round = 0; round < 60; ++round) {
    best = std::min({best, at_a, at_b});
    if (at_a < at_b) {
      high = std::exchange(b, a);
      at_b = at_a;
      a = high - kGolden * (high - low);
      at_a = function(a);
    } else {
      low = std::exchange(a, b);
      at_a = at_b;
      b = low + kGolden * (high - low);
      at_b = function(b);
    }
  }
  return best;
}

}  // namespace

// The losses of a plan without what is added by basic composition.
class PldCurve::Answers {
 public:
  Answers(const Event& event, Relation relation)
      : event_(event),
        relation_(relation),
        plan_(event, relation),
        directions_(plan_.directions()),
        inverted_(directions_.size()),
        kept_(directions_.size()) {}

  // By Renyi divergences, with everything in it: of use where the dominating pair is not attained.
  double renyi_epsilon(double delta) const {
    return plan_.has_gap() ? rdp_epsilon(event_, relation_, delta) : kInfinity;
  }

  const PldPlan& plan() const { return plan_; }

  PldBounds epsilon(double delta) {
    if (plan_.is_gaussian()) {
      return {plain_gaussian_epsilon(plan_.mu() / kUp, delta).first,
              plain_gaussian_epsilon(plan_.mu(), delta).second};
    }
    if (delta >= plan_.most_delta()) return {0, 0};
    const auto bounds_of = [&](const auto& sum) {
      return PldBounds{sum.epsilon_lower(delta), sum.epsilon_upper(delta)};
    };
    const auto width_of = [](const PldBounds& now) { return kPldWidth * std::max(1.0, now.lower); };
    // delta(epsilon) <= 1 - e^(epsilon - largest loss)
    const auto sure = [&](LossPair::Direction direction) {
      return PldBounds{0, std::max(0.0, (plan_.largest_loss(direction) + std::log1p(-delta)) * kUp)};
    };
    const PldBounds inverted = by_inversion(
        sure, bounds_of, width_of,
        [&](const GaussianLosses& losses, double width, double hint) {
          return InvertedLoss::at_delta(losses, delta, width, hint);
        },
        [&](const PldBounds&) { return delta; });
    if (close(inverted, width_of)) return inverted;
    const PldBounds bounds = both(inverted, refined(delta, sure, bounds_of, width_of));
    if (std::isfinite(bounds.upper)) return bounds;
    throw Error(ErrorKind::kUnsupported,
                "the plan is out of the pld accountant's reach (too much loss or too many steps); use rdp");
  }

  PldBounds delta(double epsilon) {
    if (plan_.is_gaussian()) {
      return {plain_gaussian_delta(plan_.mu() / kUp, epsilon).first,
              plain_gaussian_delta(plan_.mu(), epsilon).second};
    }
    const auto sure = [&](LossPair::Direction direction) {
      return PldBounds{0, sure_delta(direction, epsilon)};
    };
    const auto bounds_of = [&](const auto& sum) {
      return PldBounds{sum.delta_lower(epsilon), sum.delta_upper(epsilon)};
    };
    const auto width_of = [](const PldBounds& now) { return kPldWidth * std::max(now.upper, 1e-12); };
    const PldBounds inverted = by_inversion(
        sure, bounds_of, width_of,
        [&](const GaussianLosses& losses, double width, double hint) {
          return InvertedLoss::at_epsilon(losses, epsilon, width, hint);
        },
        [&](const PldBounds& now) { return now.upper; });
    if (close(inverted, width_of)) return inverted;
    // The window belongs where delta is: guess, look, and look again there.
    PldBounds bounds;
    double about = 1e-5;
    for (int round = 0; round < 3; ++round) {
      bounds = both(inverted, refined(about, sure, bounds_of, width_of));
      if (bounds.upper < 10 * about && bounds.upper > about / 10) break;
      about = std::clamp(bounds.upper, 1e-15, 0.5);
    }
    return bounds;
  }

  // An upper bound from what was composed already.
  double delta_at_hand(double epsilon) const {
    if (plan_.is_gaussian()) return plain_gaussian_delta(plan_.mu(), epsilon).second;
    double worst = 0;
    for (size_t i = 0; i < directions_.size(); ++i) {
      double upper = sure_delta(directions_[i], epsilon);
      for (const InvertedLoss& sum : inverted_[i]) upper = std::min(upper, sum.delta_upper(epsilon));
      for (const ComposedLoss& sum : kept_[i]) upper = std::min(upper, sum.delta_upper(epsilon));
      worst = std::max(worst, upper);
    }
    return worst;
  }

 private:
  static PldBounds both(const PldBounds& a, const PldBounds& b) {
    return {std::max(a.lower, b.lower), std::min(a.upper, b.upper)};
  }
  static PldBounds worse(const PldBounds& a, const PldBounds& b) {
    return {std::max(a.lower, b.lower), std::max(a.upper, b.upper)};
  }
  // Upper bound on delta without looking at what is lost, only at how much it can be.
  double sure_delta(LossPair::Direction direction, double epsilon) const {
    return std::min(plan_.most_delta(),
                    std::max(0.0, -std::expm1(epsilon - plan_.largest_loss(direction)) * kUp));
  }
  template <typename WidthOf>
  static bool close(const PldBounds& bounds, const WidthOf& width_of) {
    return std::isfinite(bounds.upper) && bounds.upper - bounds.lower <= width_of(bounds);
  }

  // The worse of the directions, each from what was inverted already or else by `invert`; nothing where one
  // cannot be inverted. sure: of a direction. delta_of: what delta is there, by the bounds so far.
  template <typename Sure, typename BoundsOf, typename WidthOf, typename Invert, typename DeltaOf>
  PldBounds by_inversion(const Sure& sure, const BoundsOf& bounds_of, const WidthOf& width_of,
                         const Invert& invert, const DeltaOf& delta_of) {
    PldBounds worst;
    for (size_t i = 0; i < directions_.size(); ++i) {
      PldBounds side = sure(directions_[i]);
      for (const InvertedLoss& sum : inverted_[i]) side = both(side, bounds_of(sum));
      const std::optional<GaussianLosses> losses = plan_.gaussian_losses(directions_[i]);
      if (!losses) return {0, kInfinity};
      const auto look = [&](const GaussianLosses& of, double width) {
        const double hint = side.lower > 0 && std::isfinite(side.upper) ? side.upper : std::nan("");
        std::optional<InvertedLoss> sum = invert(of, width, hint);
        if (!sum) return false;
        side = both(side, bounds_of(*sum));
        keep(inverted_[i], std::move(*sum));
        return true;
      };
      const auto is_enough = [&] { return close(side, width_of) || side.upper <= worst.lower; };
      for (const double width : {0.0, kPldWidth / 2, kPldWidth / 8, kPldWidth / 32, kPldWidth / 128})
        if (is_enough() || (!look(*losses, width) && width > 0)) break;
      // Where it is rare that much is lost, without the tails of the loss; closer as far as it helps.
      double width = kPldWidth / 2;
      const int rounds = directions_[i] == LossPair::Direction::kAdd ? 0 : kTailRounds;
      for (int round = 0, idle = 0; round < rounds && idle < kMostIdle && !is_enough(); ++round) {
        const PldBounds before = side;
        if (!look(without_tails(*losses, kTailShare * delta_of(side)), width)) break;
        if (!(side.upper < before.upper / 2))
          width *= std::clamp(0.85 * width_of(side) / (side.upper - side.lower), 1. / 16, 0.5);
        idle = side.upper - side.lower > kShrinks * (before.upper - before.lower) ? idle + 1 : 0;
      }
      worst = worse(worst, side);
    }
    return worst;
  }

  // The worse of the directions, from what was composed already or else on grids that suit `delta`: the first
  // direction on one that should be fine enough, another one on a coarse one, which often shows that it is
  // the better one; then whichever leaves the most open is made finer until the bounds are close, or come no
  // closer. sure: of a direction; bounds_of: of a composed loss; width_of: how far bounds may be apart.
  template <typename Sure, typename BoundsOf, typename WidthOf>
  PldBounds refined(double delta, const Sure& sure, const BoundsOf& bounds_of, const WidthOf& width_of) {
    struct Side {
      PldBounds bounds{0, kInfinity};
      double fineness = 1, step = 0;
    };
    std::vector<Side> sides(directions_.size());
    const auto learn = [&](size_t i, const ComposedLoss& sum) {
      sides[i].bounds = both(sides[i].bounds, bounds_of(sum));
    };
    const auto worst = [&] {
      PldBounds result;
      for (const Side& side : sides) result = worse(result, side.bounds);
      return result;
    };
    for (size_t i = 0; i < sides.size(); ++i) {
      sides[i].bounds = sure(directions_[i]);
      for (const ComposedLoss& sum : kept_[i]) learn(i, sum);
    }
    for (size_t i = 0; i < sides.size() && !close(worst(), width_of); ++i) {
      if (sides[i].bounds.upper <= worst().lower) continue;
      if (i > 0) sides[i].step = 2.5 * sides[0].step;
      keep(kept_[i], first_composed(directions_[i], delta, sides[i].fineness, sides[i].step));
      learn(i, kept_[i].back());
    }
    for (int round = 0; round < (plan_.has_gap() ? 0 : kRounds); ++round) {
      const PldBounds result = worst();
      if (close(result, width_of)) break;
      const auto i = static_cast<size_t>(
          std::max_element(sides.begin(), sides.end(),
                           [](const Side& a, const Side& b) { return a.bounds.upper < b.bounds.upper; }) -
          sides.begin());
      Side& side = sides[i];
      const double width = side.bounds.upper - side.bounds.lower;
      side.fineness *= std::clamp(std::sqrt(width_of(result) / width) * 0.9, 0.15, 0.6);
      double step = 0;
      try {
        keep(kept_[i], plan_.compose(directions_[i], delta, side.fineness, step));
      } catch (const Error&) {
        break;  // finer than the transform allows: what is certain already stays
      }
      learn(i, kept_[i].back());
      if (side.step > 0 && !(step < side.step)) break;
      if (std::isfinite(width) && side.bounds.upper - side.bounds.lower > kShrinks * width) break;
      side.step = step;
    }
    return worst();
  }

  // Coarser than the sketch suggests where that is more than the transform allows.
  ComposedLoss first_composed(LossPair::Direction direction, double delta, double& fineness,
                              double& step) const {
    constexpr double kCoarsest = 64;
    for (;; fineness *= 4) {
      try {
        return plan_.compose(direction, delta, fineness, step);
      } catch (const Error&) {
        if (fineness >= kCoarsest) throw;
      }
    }
  }

  template <typename Sum>
  static void keep(std::deque<Sum>& kept, Sum sum) {
    if (kept.size() == kKept) kept.pop_front();
    kept.push_back(std::move(sum));
  }

  Event event_;
  Relation relation_;
  PldPlan plan_;
  std::vector<LossPair::Direction> directions_;
  std::vector<std::deque<InvertedLoss>> inverted_;  // by direction
  std::vector<std::deque<ComposedLoss>> kept_;
};

PldCurve::PldCurve(const Event& event, Relation relation)
    : answers_(std::make_unique<Answers>(event, relation)) {}
PldCurve::PldCurve(PldCurve&&) noexcept = default;
PldCurve::~PldCurve() = default;

PldBounds PldCurve::epsilon(double delta) {
  if (!(delta > 0 && delta < 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "delta must be above 0 and below 1, not " + format_number(delta));
  }
  if (delta < kMinDelta) {
    throw Error(ErrorKind::kUnsupported, "delta is out of the pld accountant's reach, which begins at 1e-30");
  }
  const PldPlan& plan = answers_->plan();
  const double left = delta - plan.delta();
  if (plan.has_loss() ? !(left > 0) : left < 0) {
    throw Error(ErrorKind::kInvalidArgument, "delta must be above " + format_number(plan.delta()) +
                                                 ", the sum of the deltas of the events, not " +
                                                 format_number(delta));
  }
  if (!plan.has_loss()) return {plan.epsilon(), plan.epsilon()};
  PldBounds bounds = answers_->epsilon(left);
  bounds.upper = std::min((bounds.upper + plan.epsilon()) * kUp, answers_->renyi_epsilon(delta));
  return bounds;
}

PldBounds PldCurve::delta(double epsilon) {
  if (!(epsilon >= 0)) {
    throw Error(ErrorKind::kInvalidArgument, "epsilon must be at least 0, not " + format_number(epsilon));
  }
  const PldPlan& plan = answers_->plan();
  if (epsilon < plan.epsilon()) return {0, 1};
  if (!plan.has_loss()) return {0, plan.delta()};
  PldBounds bounds = answers_->delta(epsilon - plan.epsilon());
  bounds.upper = std::min(1.0, (bounds.upper + plan.delta()) * kUp);
  return bounds;
}

double PldCurve::true_positive_rate(double false_positive_rate) {
  const double f = false_positive_rate;
  if (!(f >= 0 && f <= 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "a false positive rate must be in [0, 1], not " + format_number(f));
  }
  const PldPlan& plan = answers_->plan();
  double high = plan.epsilon();
  if (plan.has_loss()) {
    // Compose where the best epsilon may be: beyond the last one less than a ten-thousandth is to be gained.
    const double rarer = std::min(f, 1 - f);
    const double most = plan.most_delta() / 2;
    for (const double delta : {0.1, rarer, rarer * 1e-2, rarer * 1e-4})
      high = plan.epsilon() + answers_->epsilon(std::max(1e-12, std::min(delta, most))).upper;
  }
  const auto delta_at = [&](double epsilon) {
    if (epsilon < plan.epsilon()) return 1.0;
    const double rest = plan.has_loss() ? answers_->delta_at_hand(epsilon - plan.epsilon()) : 0;
    return std::min(1.0, (rest + plan.delta()) * kUp);
  };
  const auto by_false = [&](double epsilon) {
    return delta_at(epsilon) + (f > 0 ? std::exp(epsilon) * f : 0);
  };
  const auto by_true = [&](double epsilon) { return 1 - std::exp(-epsilon) * (1 - delta_at(epsilon) - f); };
  const double best = std::min(least(by_false, plan.epsilon(), high), least(by_true, plan.epsilon(), high));
  return std::clamp(best * kUp + 1e-15, f, 1.0);
}

PldBounds pld_epsilon(const Event& event, Relation relation, double delta) {
  return PldCurve(event, relation).epsilon(delta);
}

PldBounds pld_delta(const Event& event, Relation relation, double epsilon) {
  return PldCurve(event, relation).delta(epsilon);
}

std::vector<double> attacker_tradeoff(const Event& event, Relation relation,
                                      const std::vector<double>& false_positive_rates) {
  PldCurve curve(event, relation);
  std::vector<double> rates;
  for (const double rate : false_positive_rates) rates.push_back(curve.true_positive_rate(rate));
  return rates;
}

}  // namespace discreet
