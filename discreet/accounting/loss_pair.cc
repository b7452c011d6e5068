#include "discreet/accounting/loss_pair.h"

#include <cassert>
#include <cmath>
#include <limits>

#include "discreet/accounting/normal_mass.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double density(double t) {
  return 0.39894228040143267794 * std::exp(-t * t / 2);
}

// ln((1 - q) + q e^x), to a few roundings also where it is near 0 and where x is far out.
double log_mixture(double q, double x) {
  if (q == 1) return x;
  if (x > 700) return x + std::log(q);  // the rest is below e^-700 / q of it
  const double change = q * std::expm1(x);
  return std::abs(change) < 0.5 ? std::log1p(change) : std::log((1 - q) + q * std::exp(x));
}

}  // namespace

LossPair::LossPair(Direction direction, double sample_rate, double noise_multiplier)
    : direction_(direction),
      q_(sample_rate),
      shift_(1 / noise_multiplier),
      log_rest_(std::log1p(-sample_rate)),
      log_q_(std::log(sample_rate)) {
  assert(sample_rate > 0 && sample_rate <= 1);
  assert(noise_multiplier >= 1e-6 && noise_multiplier <= 1e9);
}

double LossPair::loss(double t) const {
  const double up = shift_ * (t - shift_ / 2);  // ln of N(1) to N(0), where t = x / s
  switch (direction_) {
    case Direction::kRemove: return log_mixture(q_, up);
    case Direction::kAdd: return -log_mixture(q_, shift_ * (-t - shift_ / 2));
    case Direction::kReplace: return log_mixture(q_, up) - log_mixture(q_, shift_ * (-t - shift_ / 2));
  }
  return 0;
}

double LossPair::log_p(double t) const {
  return direction_ == Direction::kAdd ? 0 : log_mixture(q_, shift_ * (t - shift_ / 2));
}

LossPair::Hits LossPair::hits(double t) const {
  // q e^x / (1 - q + q e^x)
  const auto hit = [&](double x) { return 1 / (1 + std::exp(log_rest_ - log_q_ - x)); };
  const double up = shift_ * (t - shift_ / 2), down = shift_ * (-t - shift_ / 2);
  return {direction_ == Direction::kAdd ? 0 : hit(up), direction_ == Direction::kRemove ? 0 : hit(down)};
}

double LossPair::threshold(double loss) const {
  if (direction_ == Direction::kAdd) {
    // 1 - q + q e^x = e^-loss
    const double over = -loss - log_rest_;
    if (q_ < 1 && !(over > 0)) return kInfinity;
    const double x = q_ < 1
                         ? log_rest_ - log_q_ +
                               (over > 1 ? over + std::log1p(-std::exp(-over)) : std::log(std::expm1(over)))
                         : -loss;
    return -(x / shift_ + shift_ / 2);
  }
  if (direction_ == Direction::kRemove || q_ == 1) {
    if (direction_ == Direction::kReplace) return loss / (2 * shift_);
    const double over = loss - log_rest_;
    if (q_ < 1 && !(over > 0)) return -kInfinity;
    const double x = q_ < 1
                         ? log_rest_ - log_q_ +
                               (over > 1 ? over + std::log1p(-std::exp(-over)) : std::log(std::expm1(over)))
                         : loss;
    return x / shift_ + shift_ / 2;
  }
  // With y = e^(shift t) and c = q e^(-shift^2 / 2): c y^2 + (1-q)(1 - e^loss) y - e^loss c = 0; for a loss
  // of at least 0 (else by symmetry) its positive root without cancellation, in logarithms.
  if (loss < 0) return -threshold(-loss);
  if (loss == 0) return 0;
  const double log_c = log_q_ - shift_ * shift_ / 2;
  const double log_b =
      log_rest_ + (loss > 1 ? loss + std::log1p(-std::exp(-loss)) : std::log(std::expm1(loss)));
  // y = (b + sqrt(b^2 + 4 c^2 e^loss)) / (2 c)
  const double log_d = std::log(2.0) + log_c + loss / 2, high = std::max(log_b, log_d);
  const double b = std::exp(log_b - high), d = std::exp(log_d - high);
  return (high + std::log((b + std::hypot(b, d)) / 2) - log_c) / shift_;
}

LossPair::Masses LossPair::between(double low, double high) const {
  const double middle = normal_mass(low, high);
  switch (direction_) {
    case Direction::kRemove: return {(1 - q_) * middle + q_ * normal_mass(low, high, shift_), middle};
    case Direction::kAdd: return {middle, (1 - q_) * middle + q_ * normal_mass(low, high, -shift_)};
    case Direction::kReplace:
      return {(1 - q_) * middle + q_ * normal_mass(low, high, shift_),
              (1 - q_) * middle + q_ * normal_mass(low, high, -shift_)};
  }
  return {};
}

LossPair::Masses LossPair::densities(double t) const {
  const double middle = density(t);
  switch (direction_) {
    case Direction::kRemove: return {(1 - q_) * middle + q_ * density(t - shift_), middle};
    case Direction::kAdd: return {middle, (1 - q_) * middle + q_ * density(t + shift_)};
    case Direction::kReplace:
      return {(1 - q_) * middle + q_ * density(t - shift_), (1 - q_) * middle + q_ * density(t + shift_)};
  }
  return {};
}

}  // namespace discreet
