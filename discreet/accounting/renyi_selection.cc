#include "discreet/accounting/renyi_selection.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace discreet {
namespace {

constexpr double kUp = 1 + 1e-12;  // outweighs the roundings of a few products
// Of ln(order - 1).
constexpr double kLow = -5, kHigh = 12, kStride = 0.05;

}  // namespace

RenyiSelection::RenyiSelection(const Trials& trials, std::function<double(double)> renyi_of_one)
    : trials_(trials), renyi_of_one_(std::move(renyi_of_one)) {
  for (double t = kLow; t < kHigh; t += kStride) {
    const double order = 1 + std::exp(t);
    profile_.push_back({order, renyi_of_one_(order)});
  }
  if (trials_.distribution() == Trials::Distribution::kPoisson) return;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [order, divergence] : profile_)
    least = std::min(least, (1 - 1 / order) * divergence - std::log(trials_.gamma()) / order);
  surcharge_ = (1 + trials_.eta()) * least * kUp;
}

// The least delta at this epsilon (Canonne, Kamath, Steinke 2020, Proposition 12).
double RenyiSelection::delta_of_one(double epsilon) const {
  double least = 0;  // its logarithm
  for (const auto& [order, divergence] : profile_)
    least = std::min(least, (order - 1) * (divergence - epsilon + std::log1p(-1 / order)) - std::log(order) +
                                1e-12 * (order - 1) * (divergence + epsilon + 1));
  return std::exp(least);
}

double RenyiSelection::renyi(double order) const {
  assert(order > 1);
  const double b = order - 1, one = renyi_of_one_(order);
  double bound = 0;
  if (trials_.distribution() == Trials::Distribution::kPoisson) {
    const double mean = trials_.mean(), delta = delta_of_one(std::log1p(1 / b));
    const double log_some = std::log(mean) + b * (one + mean * delta) * kUp;
    bound = (std::max(-mean, log_some) + std::log1p(std::exp(-std::abs(log_some + mean)))) / b;
  } else {
    bound = one + surcharge_ + std::log(trials_.mean()) / b;
  }
  return std::max(0.0, bound) * kUp + 1e-15 / b;
}

}  // namespace discreet
