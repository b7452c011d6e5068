#include "discreet/accounting/filter.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Sampled Gaussians are best accounted at lower orders than plain ones, many small ones at higher orders.
// More orders would each have less of delta: a fourth costs a large part of what it gains.
constexpr double kFactors[] = {0.35, 0.6, 0.9, 1.5};
constexpr double kShares[] = {3. / 32, 9. / 32, 9. / 32, 3. / 32};
constexpr double kEventsShare = 8. / 32;
constexpr double kDown = 1 - 1e-14;  // the shares add up to at most delta, also as they are rounded

// B_a above, rounded down.
double budget(double epsilon, double order, double delta) {
  const double beta = order - 1, gain = std::log1p(1 / beta) + std::log1p(beta) / beta,
               cost = -std::log(delta) / beta;
  return (epsilon + gain - cost) - 1e-14 * (epsilon + gain + cost);
}

}  // namespace

PrivacyFilter::PrivacyFilter(double epsilon, double delta) {
  assert(epsilon > 0 && std::isfinite(epsilon) && delta >= 0 && delta < 1);
  // The a that maximises rho in epsilon = rho a + length / (a - 1): most Gaussian releases fit there.
  const double length = -std::log(std::max(delta, 1e-300) * kShares[1]);
  const double beta = (length + std::sqrt(length * (length + epsilon))) / epsilon;
  for (size_t i = 0; i < std::size(kFactors); ++i) {
    orders_.push_back(1 + std::clamp(kFactors[i] * beta, 1e-4, 1e9));
    deltas_.push_back(delta * kShares[i] * kDown);
  }
  events_delta_ = delta * kEventsShare;
  set_budgets(epsilon);
}

PrivacyFilter::PrivacyFilter(double epsilon, double delta, const Json& fixed)
    : orders_(fixed.at("orders").get<std::vector<double>>()),
      deltas_(fixed.at("deltas").get<std::vector<double>>()),
      events_delta_(fixed.at("events_delta").get<double>()) {
  double sum = events_delta_;
  bool good = !orders_.empty() && orders_.size() <= kMaxOrders && orders_.size() == deltas_.size() &&
              events_delta_ >= 0;
  for (const double order : orders_) good = good && order > 1;
  for (const double share : deltas_) {
    good = good && share >= 0;
    sum += share;
  }
  if (!good || !(sum <= delta)) {
    throw Error(
        ErrorKind::kInvalidArgument,
        "a privacy filter has 1 to 8 orders above 1, and shares of delta that add up to at most delta");
  }
  set_budgets(epsilon);
}

void PrivacyFilter::set_budgets(double epsilon) {
  for (size_t i = 0; i < orders_.size(); ++i)
    budgets_.push_back(deltas_[i] > 0 ? budget(epsilon, orders_[i], deltas_[i]) : -kInfinity);
}

Json PrivacyFilter::to_json() const {
  return {{"orders", orders_}, {"deltas", deltas_}, {"events_delta", events_delta_}};
}

bool PrivacyFilter::fits(const RenyiCost& cost) const {
  assert(cost.divergence.size() == orders_.size());
  if (!(cost.delta <= events_delta_)) return false;
  for (size_t i = 0; i < orders_.size(); ++i)
    if (budgets_[i] >= 0 && cost.divergence[i] <= budgets_[i]) return true;
  return false;
}

double PrivacyFilter::used(const RenyiCost& cost) const {
  assert(cost.divergence.size() == orders_.size());
  const auto share = [](double part, double whole) {
    return part == 0 ? 0 : whole > 0 ? part / whole : kInfinity;
  };
  double least = kInfinity;
  for (size_t i = 0; i < orders_.size(); ++i)
    if (budgets_[i] >= 0) least = std::min(least, share(cost.divergence[i], budgets_[i]));
  return std::max(least, share(cost.delta, events_delta_));
}

}  // namespace discreet
