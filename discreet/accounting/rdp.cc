#include "discreet/accounting/rdp.h"

#include <algorithm>
#include <boost/math/tools/minima.hpp>
#include <cassert>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "discreet/accounting/bounded_loss.h"
#include "discreet/accounting/mechanism.h"
#include "discreet/accounting/renyi_fixed_size_gaussian.h"
#include "discreet/accounting/renyi_sampled_gaussian.h"
#include "discreet/accounting/renyi_selection.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUp = 1 + 1e-12;  // outweighs the roundings of a few products

// sum + term, rounded up, so that many events cannot add up to too little.
void add_up(double& sum, double term) {
  if (term != 0) sum = std::nextafter(sum + term, kInfinity);
}

[[noreturn]] void unsupported(const std::string& what) {
  throw Error(ErrorKind::kUnsupported, what);
}

// A tree of events as what composes: orders' worth of Renyi divergence, and plain (epsilon, delta).
class Account {
 public:
  Account(const Event& event, Relation relation) : relation_(relation) { add(event, 1); }

  bool has_renyi() const { return slope_ > 0 || !sampled_.empty() || !others_.empty(); }
  double epsilon() const { return epsilon_; }
  double delta() const { return delta_; }

  double renyi(double order) const {
    double sum = slope_ * order;
    for (const auto& [rate_and_noise, count] : sampled_) {
      add_up(sum,
             count * renyi_sampled_gaussian(rate_and_noise.first, rate_and_noise.second, order, relation_));
    }
    for (const auto& [name, other] : others_) add_up(sum, other.count * other.renyi(order));
    return sum * kUp;
  }
  // The same with the epsilons of epsilon_delta events.
  double renyi_of_all(double order) const {
    double sum = renyi(order);
    add_up(sum, std::min(epsilon_, order * squares_ / 2) * kUp);
    return sum;
  }

 private:
  using Renyi = std::function<double(double order)>;
  struct Other {
    Renyi renyi;
    double count = 0;
  };

  void add_gaussian(double noise_multiplier, double times) {
    const double ratio = distance(relation_) / noise_multiplier;
    add_up(slope_, times * ratio * ratio / 2 * kUp);
  }

  // make_renyi() is called for the first of equal events.
  template <typename MakeRenyi>
  void add_other(const Event& event, double times, const MakeRenyi& make_renyi) {
    const auto [other, is_new] = others_.try_emplace(event.to_json().dump());
    if (is_new) other->second.renyi = make_renyi();
    add_up(other->second.count, times);
  }

  void add_pure(const Event& event, double times) {
    add_other(event, times, [&]() -> Renyi {
      if (event.kind() == Event::Kind::kExponentialMechanism)
        return [range = distance(relation_) * event.epsilon()](double order) {
          return renyi_bounded_range(range, order);
        };
      return
          [pair = bounded_loss(event, relation_)](double order) { return renyi_bounded_loss(pair, order); };
    });
  }

  void add_fixed_size_sampled(const Event& event, double times) {
    check_sampled(event);
    if (relation_ != Relation::kReplaceOne) {
      unsupported("fixed_size_sampled is accounted under replace-one only: its sample_size is public, and " +
                  std::string(to_string(relation_)) + " changes who can be drawn");
    }
    if (event.batch_size() == 0) return;
    const double rate = static_cast<double>(event.batch_size()) / static_cast<double>(event.sample_size());
    add_other(event, times, [&]() -> Renyi {
      return [rate, noise = event.events()[0].noise_multiplier()](double order) {
        return renyi_fixed_size_gaussian(rate, noise, order);
      };
    });
  }

  void add_selection(const Event& event, double times) {
    add_other(event, times, [&]() -> Renyi {
      Account one(event.events()[0], relation_);
      if (one.has_selection_) unsupported("repeat_and_select inside repeat_and_select is not accounted");
      if (one.epsilon_ > 0 || one.delta_ > 0) {
        unsupported(
            "repeat_and_select is accounted for events with a Renyi divergence only; its event has an "
            "epsilon_delta or a thresholded_selection");
      }
      const auto selection = std::make_shared<const RenyiSelection>(
          event.trials(), [one = std::move(one)](double order) { return one.renyi(order); });
      return [selection](double order) { return selection->renyi(order); };
    });
    has_selection_ = true;
  }

  void add(const Event& event, double times) {
    if (times == 0) return;
    switch (event.kind()) {
      case Event::Kind::kGaussian:
      case Event::Kind::kDiscreteGaussian: return add_gaussian(event.noise_multiplier(), times);
      case Event::Kind::kMatrixGaussian:
        return add_gaussian(event.noise_multiplier() / event.sensitivity(), times);
      case Event::Kind::kLaplace:
      case Event::Kind::kDiscreteLaplace:
      case Event::Kind::kRandomizedResponse:
      case Event::Kind::kExponentialMechanism: return add_pure(event, times);
      case Event::Kind::kEpsilonDelta:
        add_up(epsilon_, times * event.epsilon());
        add_up(squares_, times * event.epsilon() * event.epsilon() * kUp);
        add_up(delta_, times * event.delta());
        return;
      case Event::Kind::kPoissonSampled: {
        check_sampled(event);
        const Event& inner = event.events()[0];
        if (event.sample_rate() == 1) return add(inner, times);
        if (event.sample_rate() > 0) {
          add_up(sampled_[{event.sample_rate(), inner.noise_multiplier()}], times);
        }
        return;
      }
      case Event::Kind::kFixedSizeSampled: return add_fixed_size_sampled(event, times);
      case Event::Kind::kThresholdedSelection:
        check_thresholded_selection(event);
        add_up(delta_, times * event.delta());
        return add(event.events()[0], times);
      case Event::Kind::kRepeatAndSelect: return add_selection(event, times);
      case Event::Kind::kRepeated:
        times *= static_cast<double>(event.count());
        return add(event.events()[0], times <= 0x1p53 ? times : times * kUp);  // exact up to 2^53
      case Event::Kind::kComposed:
        for (const Event& part : event.events()) add(part, times);
        return;
    }
  }

  Relation relation_;
  double slope_ = 0;                                     // sum of distance^2 / (2 noise_multiplier^2)
  std::map<std::pair<double, double>, double> sampled_;  // (sample_rate, noise_multiplier) -> how often
  std::map<std::string, Other> others_;                  // by their JSON
  double epsilon_ = 0, delta_ = 0;
  bool has_selection_ = false;
  double squares_ = 0;  // of the epsilons
};

// The least epsilon over all orders for the Renyi part. Searched in t = ln(order - 1).
double convert(const Account& account, double delta) {
  const double kLow = std::log(1e-5), kHigh = std::log(1e9), kStride = 1;
  const auto epsilon_at = [&](double t) {
    const double order = 1 + std::exp(t), beta = order - 1;
    const double renyi = account.renyi(order), gain = std::log1p(1 / beta) + std::log1p(beta) / beta,
                 cost = -std::log(delta) / beta;
    const double value = (renyi + cost - gain) + 1e-14 * (renyi + cost + gain);
    return std::isnan(value) ? kInfinity : value;
  };
  if (delta * delta >= -std::expm1(-account.renyi(1.001)) * kUp) return 0;
  // For a Gaussian the minimum is near order - 1 = sqrt(ln(1/delta) / D_order * order).
  double middle = std::clamp(0.5 * std::log(-std::log(delta) / account.renyi(2) * 2), kLow + kStride, 8.);
  double at_middle = epsilon_at(middle), low = middle - kStride, high = middle + kStride;
  double at_low = epsilon_at(low), at_high = epsilon_at(high);
  while (at_low < at_middle && middle > kLow) {
    std::tie(high, at_high, middle, at_middle) = std::tuple(middle, at_middle, low, at_low);
    low -= kStride;
    at_low = epsilon_at(low);
  }
  while (at_high < at_middle && middle < kHigh) {
    std::tie(low, at_low, middle, at_middle) = std::tuple(middle, at_middle, high, at_high);
    high += kStride;
    at_high = epsilon_at(high);
  }
  const auto [best, value] = boost::math::tools::brent_find_minima(epsilon_at, low, high, 14);
  return std::max(0., std::min({value, at_middle, at_low, at_high}) * kUp);
}

}  // namespace

double rdp_epsilon(const Event& event, Relation relation, double delta) {
  if (!(delta > 0 && delta < 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                "delta must be above 0 and below 1, not " + format_number(delta));
  }
  const Account account(event, relation);
  if (!account.has_renyi()) {
    if (account.delta() <= delta) return account.epsilon() * kUp;
  } else if (account.delta() * kUp < delta) {
    return (account.epsilon() + convert(account, delta - account.delta() * kUp)) * kUp;
  }
  throw Error(ErrorKind::kInvalidArgument, "delta must be above " + format_number(account.delta()) +
                                               ", the sum of the deltas of the events, not " +
                                               format_number(delta));
}

void RenyiCost::add(const RenyiCost& other) {
  assert(divergence.size() == other.divergence.size());
  for (size_t i = 0; i < divergence.size(); ++i) add_up(divergence[i], other.divergence[i]);
  add_up(delta, other.delta);
}

RenyiCost renyi_cost(const Event& event, Relation relation, const std::vector<double>& orders) {
  const Account account(event, relation);
  RenyiCost cost;
  for (const double order : orders) cost.divergence.push_back(account.renyi_of_all(order));
  cost.delta = account.delta();
  return cost;
}

}  // namespace discreet
