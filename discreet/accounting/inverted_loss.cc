#include "discreet/accounting/inverted_loss.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "discreet/accounting/loss_decay.h"
#include "discreet/accounting/tilted_loss.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;
constexpr double kLeastTilt = 1e-4, kMostTilt = 1e7;
constexpr double kLeftOut = 1e-8;      // aimed at, of delta
constexpr double kMostPoints = 1 << 12;  // of one release's quadrature
constexpr double kMostWork = 1e8, kMostWorkAtFirst = 4e6;  // points times frequencies
constexpr double kRounding = 0x1p-50;
constexpr int kRounds = 3;      // of looking again where the answer turned out to be
constexpr double kFarOff = 4;  // in ln delta

// The sum's ln E e^(tilt L) and what follows from it; an infinite value where it takes too many points.
struct Moments {
  double value = 0, error = 0, mean = 0, variance = 0;
};

Moments moments(const GaussianLosses& losses, double tilt) {
  Moments sum;
  for (const auto& [pair, count] : losses.sampled) {
    if (!(TiltedLoss::points(pair, tilt, 0) < kMostPoints)) return {kInfinity, kInfinity, kInfinity, kInfinity};
    const TiltedLoss loss(pair, tilt);
    sum.value += count * loss.log_moment();
    sum.error += count * (loss.log_moment_error() + kRounding * std::abs(loss.log_moment()));
    sum.mean += count * loss.mean();
    sum.variance += count * loss.variance();
  }
  const double mu2 = losses.mu_squared;
  sum.value += mu2 / 2 * tilt * (1 + tilt);
  sum.error += kRounding * (1 + mu2 / 2 * tilt * (1 + tilt));
  sum.mean += mu2 * (0.5 + tilt);
  sum.variance += mu2;
  return sum;
}

// Where `falls` passes from positive to negative, to a hundredth.
double crossing(const std::function<double(double)>& falls) {
  double low = 1, high = 1;
  while (high < kMostTilt && falls(high) > 0) {
    low = high;
    high *= 8;
  }
  if (high == 1) {
    do {
      high = low;
      low /= 8;
    } while (low > kLeastTilt && !(falls(low) > 0));
  }
  while (high > low * 1.02) {
    const double middle = std::sqrt(low * high);
    (falls(middle) > 0 ? low : high) = middle;
  }
  return high;
}

// Upper bound on ln |characteristic function| of the sum.
double log_decay(const GaussianLosses& losses, const std::vector<LossDecay>& decays, double low, double high) {
  double sum = -losses.mu_squared * low * low / 2;
  for (size_t i = 0; i < decays.size(); ++i) sum += losses.sampled[i].second * decays[i].log_bound(low, high);
  return sum;
}

// From which frequency on the rest may be left out, and a bound on twice the sum of the rest over 2 pi.
struct Cutoff {
  double frequency = 0, rest = 0;
};

std::optional<Cutoff> cutoff(const GaussianLosses& losses, const std::vector<LossDecay>& decays,
                             double first, double allowed) {
  constexpr double kRatio = 1.15;
  constexpr int kMostBins = 160;
  // In a bin (low, high] the points f = n stride, stride <= low, have sum of stride / f^2 at most 2 / low,
  // and |s (s + 1)| >= f^2.
  std::vector<Cutoff> bins;
  for (double low = first;; low *= kRatio) {
    const bool last = bins.size() == kMostBins ||
                      log_decay(losses, decays, low, kInfinity) < -60 + std::log(allowed * low + 1e-300);
    const double most = log_decay(losses, decays, low, last ? kInfinity : low * kRatio);
    bins.push_back({low, 2 / kPi * std::exp(most) / low});
    if (last) break;
  }
  std::optional<Cutoff> best;
  double rest = 0;
  for (auto bin = bins.rbegin(); bin != bins.rend(); ++bin) {
    rest += bin->rest;
    if (rest > allowed) break;
    best = {bin->frequency, rest};
  }
  return best;
}

// ln of the most of (1 - e^-y) e^(-tilt y): delta(x) <= E e^(tilt (L - x)) times that.
double log_chernoff(double tilt) {
  return -tilt * std::log1p(1 / tilt) - std::log1p(tilt);
}

}  // namespace

// The line Re s = tilt on which the period may be shortest: tilts from a little above `most` downwards. If
// epsilon or log_delta is not known (NaN), it is taken from Chernoff's bound.
std::optional<InvertedLoss::Line> InvertedLoss::line(const GaussianLosses& losses, double most, double epsilon,
                                                     double log_delta) {
  constexpr double kRatio = 1.4;
  constexpr int kAbove = 4, kBelow = 12;
  std::vector<std::pair<double, double>> moments_at;  // tilt, ln E e^(tilt L); rising
  for (int i = -kBelow; i <= kAbove; ++i) {
    const double tilt = most * std::pow(kRatio, i);
    const double value = moments(losses, tilt).value;
    if (std::isfinite(value)) moments_at.emplace_back(tilt, value);
  }
  double least_delta = -1e-3, least_epsilon = kInfinity;
  for (const auto& [tilt, value] : moments_at) {
    least_delta = std::min(least_delta, value + log_chernoff(tilt) - tilt * epsilon);
    least_epsilon = std::min(least_epsilon, (value + log_chernoff(tilt) - log_delta) / tilt);
  }
  if (moments_at.empty()) return {};
  if (std::isnan(epsilon)) epsilon = std::max(least_epsilon, 0.0);
  if (std::isnan(log_delta)) log_delta = least_delta;
  // Errors grow by e^(K - tilt epsilon) / delta, and with the number of releases: to about 1e-5 of delta.
  const auto log_factor = [&](const std::pair<double, double>& at) {
    return at.second - at.first * epsilon - log_delta;
  };
  double releases = 1, most_factor = kInfinity;
  for (const auto& [pair, count] : losses.sampled) releases += count;
  for (const auto& at : moments_at) most_factor = std::min(most_factor, log_factor(at) + 1);
  most_factor = std::max(most_factor, std::log(1e8 / releases));
  const double left_out = log_delta + std::log(kLeftOut);
  Line best{.epsilon = epsilon, .log_delta = log_delta, .period = kInfinity};
  for (size_t i = 0; i < moments_at.size(); ++i) {
    const auto [tilt, value] = moments_at[i];
    if (log_factor(moments_at[i]) > most_factor) continue;
    for (size_t k = i + 1; k < moments_at.size(); ++k) {
      const auto [further, further_value] = moments_at[k];
      const double above = (further_value + log_chernoff(further) - further * epsilon - left_out) / (further - tilt);
      const double period = std::max(above, -left_out / tilt) * 1.02;
      if (!(period > 0 && period < best.period)) continue;
      best.tilt = tilt;
      best.further_tilt = further;
      best.period = period;
    }
  }
  if (!std::isfinite(best.period)) return {};
  return best;
}

std::optional<InvertedLoss> InvertedLoss::at_delta(const GaussianLosses& losses, double delta, double width,
                                                   double hint) {
  // The saddlepoint approximation, as in loss_moments.h.
  const double tilt = crossing([&](double t) {
    const Moments sum = moments(losses, t);
    if (!std::isfinite(sum.value)) return -1.0;
    return sum.value - t * sum.mean - std::log(t * (1 + t)) - std::log(2 * kPi * sum.variance) / 2 -
           std::log(delta);
  });
  std::optional<InvertedLoss> result;
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<Line> at = line(losses, tilt, hint, std::log(delta));
    std::optional<InvertedLoss> now = at ? on_line(losses, *at, width) : std::nullopt;
    if (!now) break;
    result = std::move(now);
    hint = result->epsilon_upper(delta);
    if (!(std::isfinite(hint) && std::abs(hint - at->epsilon) * at->tilt > kFarOff)) break;
  }
  return result;
}

std::optional<InvertedLoss> InvertedLoss::at_epsilon(const GaussianLosses& losses, double epsilon, double width,
                                                     double hint) {
  // A little above mean = epsilon, which may have no solution.
  const double tilt = crossing([&](double t) { return epsilon - moments(losses, t).mean + 1 / t; });
  std::optional<InvertedLoss> result;
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<Line> at = line(losses, tilt, epsilon, std::log(hint));
    std::optional<InvertedLoss> now = at ? on_line(losses, *at, width) : std::nullopt;
    if (!now) break;
    result = std::move(now);
    hint = result->delta_upper(epsilon);
    if (!(hint > 0 && std::abs(std::log(hint) - at->log_delta) > kFarOff)) break;
  }
  return result;
}

std::optional<InvertedLoss> InvertedLoss::on_line(const GaussianLosses& losses, const Line& line, double width) {
  const double tilt = line.tilt;
  const Moments sum = moments(losses, tilt), further = moments(losses, line.further_tilt);
  if (!(sum.error < 1e-4)) return {};
  InvertedLoss result;
  result.line_ = line;
  result.log_moment_ = sum.value;
  result.log_moment_error_ = sum.error;
  result.further_log_moment_ = further.value + further.error;
  if (width > 0) {
    constexpr double kWider = 1.25;  // mu_2 / mu_1
    result.narrow_.mu_squared = width / (tilt + 1);
    result.wide_.mu_squared = kWider * kWider * result.narrow_.mu_squared;
    const double narrow = std::sqrt(result.narrow_.mu_squared);
    result.ratio_ = std::erf(narrow / std::sqrt(8.0)) / std::erf(kWider * narrow / std::sqrt(8.0)) * (1 + 1e-12);
  }
  const double mu_squared = losses.mu_squared + result.narrow_.mu_squared;
  result.mean_ = sum.mean + result.narrow_.mu_squared * (0.5 + tilt);
  const double deviation = std::sqrt(sum.variance + result.narrow_.mu_squared);
  const double usual = std::exp(line.log_delta - sum.value + tilt * line.epsilon);  // delta in units of the sums

  std::vector<LossDecay> decays;
  for (const auto& [pair, count] : losses.sampled) decays.emplace_back(pair, tilt, TiltedLoss(pair, tilt));
  const double stride = 2 * kPi / line.period;
  const std::optional<Cutoff> end =
      cutoff({losses.sampled, mu_squared}, decays, std::max(2 / deviation, stride), kLeftOut * usual);
  if (!end) return {};
  const double frequencies = std::floor(end->frequency / stride) + 1;
  double points = 0;
  for (const auto& [pair, count] : losses.sampled)
    points = std::max(points, TiltedLoss::points(pair, tilt, frequencies * stride));
  if (!(frequencies * (points + 8) < (width > 0 ? kMostWork : kMostWorkAtFirst))) return {};

  const auto count = static_cast<size_t>(frequencies);
  std::vector<double> log_size(count, 0.0), log_most(count, 0.0), angle(count, 0.0), angle_size(count, 0.0);
  for (const auto& [pair, times] : losses.sampled) {
    const TiltedLoss loss(pair, tilt, frequencies * stride);
    const std::vector<std::complex<double>> psi = loss.transform(stride, count);
    const double error = loss.transform_error(stride, count);
    for (size_t n = 0; n < count; ++n) {
      const double size = std::abs(psi[n]);
      log_size[n] += times * std::log(size);
      log_most[n] += times * std::log(size + error);
      angle[n] += times * std::arg(psi[n]);
      angle_size[n] += times * std::abs(std::arg(psi[n]));
    }
  }
  for (Sum* all : {&result.narrow_, &result.wide_}) {
    // The wide one's mean is a little off the one taken out.
    const double gaussians = losses.mu_squared + all->mu_squared,
                 off = (all->mu_squared - result.narrow_.mu_squared) * (0.5 + tilt);
    all->terms.resize(count + 1);
    all->terms[0] = 1 / (tilt * (tilt + 1));
    all->error = kRounding * all->terms[0].real() + line.period * end->rest;
    for (size_t n = 1; n <= count; ++n) {
      const std::complex<double> s(tilt, static_cast<double>(n) * stride);
      const double gaussian = -gaussians * s.imag() * s.imag() / 2, turn = off * s.imag();
      const double most = std::exp(log_most[n - 1] + gaussian), size = std::exp(log_size[n - 1] + gaussian);
      all->terms[n] = std::polar(size, angle[n - 1] + turn) * 2.0 / (s * (s + 1.0));
      const double rounding = 4 + std::abs(log_most[n - 1] + gaussian) + angle_size[n - 1] + std::abs(turn) +
                              s.imag() * line.period;
      all->error += 2 / std::abs(s * (s + 1.0)) * (most - size + most * kRounding * rounding);
    }
  }
  return result;
}

// Of the sum at epsilon, what is not delta(epsilon): between 0 and this.
double InvertedLoss::aliases(const Sum& sum, double epsilon) const {
  const double t = line_.further_tilt, gap = (t - line_.tilt) * line_.period;
  const double log_moment = further_log_moment_ + sum.mu_squared / 2 * t * (1 + t);
  const double above = std::exp(log_moment - t * epsilon - gap + log_chernoff(t)) /
                       -std::expm1(-gap);
  return (std::exp(-line_.tilt * line_.period) / -std::expm1(-line_.tilt * line_.period) + above) * (1 + 1e-9);
}

std::pair<double, double> InvertedLoss::delta(const Sum& sum, double epsilon) const {
  const double log_moment = log_moment_ + sum.mu_squared / 2 * line_.tilt * (1 + line_.tilt);
  const double scale = std::exp(log_moment - line_.tilt * epsilon) / line_.period, stride = 2 * kPi / line_.period;
  double total = 0;
  for (size_t n = 0; n < sum.terms.size(); ++n) {
    const double angle = static_cast<double>(n) * stride * (mean_ - epsilon);
    total += sum.terms[n].real() * std::cos(angle) - sum.terms[n].imag() * std::sin(angle);
  }
  // The angle's rounding is in the error for an epsilon within a period of the mean.
  const double error = std::max(1.0, std::abs(mean_ - epsilon) / line_.period) * sum.error;
  const double rounding =
      log_moment_error_ + kRounding * (4 + std::abs(log_moment) + std::abs(line_.tilt * epsilon));
  const double lower = scale * (total - error) * (1 - rounding) - aliases(sum, epsilon),
               upper = scale * (total + error) * (1 + 2 * rounding);
  if (!std::isfinite(scale) || !std::isfinite(upper)) return {0, 1};
  return {std::clamp(lower, 0.0, 1.0), std::clamp(upper, 0.0, 1.0)};
}

std::pair<double, double> InvertedLoss::delta(double epsilon) const {
  const auto [lower, upper] = delta(narrow_, epsilon);
  if (ratio_ == 0) return {lower, upper};
  return {std::max(0.0, (lower - ratio_ * delta(wide_, epsilon).second) / (1 - ratio_)), upper};
}

namespace {

// The least x >= 0 that is found with falls(x) <= 0, or the greatest with falls(x) > 0 before it.
struct Crossing {
  double before = 0, after = kInfinity;
};

Crossing find(const std::function<double(double)>& falls, double guess, double stride) {
  double low = std::max(guess, 0.0), at_low = falls(low), high = low, at_high = at_low;
  for (int i = 0; at_high > 0; ++i) {
    if (i == 60) return {high, kInfinity};
    low = high;
    at_low = at_high;
    high += stride;
    stride *= 2;
    at_high = falls(high);
  }
  while (!(at_low > 0)) {
    if (low == 0) return {0, 0};
    high = low;
    at_high = at_low;
    low = std::max(low - stride, 0.0);
    stride *= 2;
    at_low = falls(low);
  }
  for (int i = 0; i < 200 && high - low > 1e-10 * high; ++i) {
    double middle = (low + high) / 2;
    if (i % 3 != 2 && std::isfinite(at_low) && std::isfinite(at_high) && at_high < 0) {
      const double secant = low + (high - low) * at_low / (at_low - at_high);
      const double edge = (high - low) * 1e-3;
      middle = std::clamp(secant, low + edge, high - edge);
    }
    const double at_middle = falls(middle);
    (at_middle > 0 ? low : high) = middle;
    (at_middle > 0 ? at_low : at_high) = at_middle;
  }
  return {low, high};
}

}  // namespace

double InvertedLoss::epsilon_upper(double delta) const {
  return find([&](double x) { return std::log(delta_upper(x)) - std::log(delta); }, line_.epsilon, 1 / line_.tilt).after;
}

double InvertedLoss::epsilon_lower(double delta) const {
  const Crossing found =
      find([&](double x) { return std::log(delta_lower(x)) - std::log(delta); }, line_.epsilon, 1 / line_.tilt);
  return found.before;
}

}  // namespace discreet
