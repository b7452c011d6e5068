#include "discreet/dp/noisy_counts.h"

#include <cassert>
#include <cmath>
#include <numbers>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"

namespace discreet {
namespace {

constexpr double kGridStep = 1.0 / 1024;  // what base/sampling.h draws exactly

}  // namespace

CountMechanism::CountMechanism(const StatisticsBudget& budget, int64_t squared_sensitivity,
                               bool selects_values)
    : budget_(budget), squared_sensitivity_(squared_sensitivity), selects_values_(selects_values) {
  if (!needed()) return;
  if (!(budget.noise_multiplier > 0 && std::isfinite(budget.noise_multiplier))) {
    throw Error(ErrorKind::kInvalidArgument, "statistics: noise_multiplier must be positive");
  }
  if (selects_values && !(budget.threshold_delta > 0 && budget.threshold_delta < 1)) {
    throw Error(ErrorKind::kInvalidArgument, "statistics: threshold_delta must be above 0 and below 1");
  }
  const double halved = budget.relation == Relation::kReplaceOne ? 0.5 : 1.0;
  const double exact = budget.noise_multiplier * std::sqrt(static_cast<double>(squared_sensitivity) * halved);
  stddev_ = std::ceil(exact * (1 + 1e-12) / kGridStep) * kGridStep;  // 1e-12: the rounding of these lines
}

int64_t CountMechanism::threshold() const {
  return kTargetWeight + selection_margin(stddev_, budget_.threshold_delta);
}

Event CountMechanism::event() const {
  if (!needed()) return Event::composed({});
  const Event counts = Event::discrete_gaussian(budget_.noise_multiplier);
  if (!selects_values_) return counts;
  return Event::composed({counts, Event::epsilon_delta(0, budget_.threshold_delta)});
}

double NoisyCounts::cell(uint64_t key) {
  const auto [noise, is_new] = noise_.try_emplace(key, 0);
  if (is_new) noise->second = discrete_gaussian(random_, mechanism_.stddev());
  const auto found = exact_.cells.find(key);
  return static_cast<double>((found == exact_.cells.end() ? 0 : found->second) + noise->second);
}

std::map<std::string, double> NoisyCounts::take_selected_values() {
  assert(mechanism_.selects_values() && !selected_);
  selected_ = true;
  const int64_t threshold = mechanism_.threshold();
  std::map<std::string, double> selected;
  for (const auto& [value, count] : exact_.values) {
    const int64_t noisy = count + discrete_gaussian(random_, mechanism_.stddev());
    if (noisy >= threshold) selected[value] = static_cast<double>(noisy);
  }
  return selected;
}

int64_t selection_margin(double stddev, double delta) {
  const auto tail = [&](int64_t t) {
    const double scaled = static_cast<double>(t) / stddev;
    const double above = std::erfc(scaled / std::numbers::sqrt2) / 2;
    const double at = std::exp(-scaled * scaled / 2) / (stddev * std::sqrt(2 * std::numbers::pi));
    return (above + at) * (1 + 1e-9);  // 1e-9: the rounding of these lines
  };
  int64_t low = 0, high = 1;
  while (tail(high) > delta) high *= 2;
  while (high - low > 1) {  // tail(high) <= delta; tail(low) > delta, or low is 0
    const int64_t middle = low + (high - low) / 2;
    (tail(middle) > delta ? low : high) = middle;
  }
  return tail(low) <= delta ? low : high;
}

}  // namespace discreet
