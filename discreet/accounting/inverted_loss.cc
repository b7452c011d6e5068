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
// Points times frequencies.
constexpr double kMostWorkAtFirst = 4e6, kMostWork = 4e8, kMostWorkWithoutTails = 1e10;
constexpr double kRounding = 0x1p-50;
constexpr int kRounds = 6;     // of looking again where the answer turned out to be
constexpr double kFarOff = 4;  // in ln delta

// A bound on |transform| over its scale, from a frequency on.
using LogDecay = std::function<double(double low, double high)>;

// From which frequency on the rest may be left out, and a bound on twice the sum of the rest over 2 pi.
struct Cutoff {
  double frequency = 0, rest = 0;
};

std::optional<Cutoff> cutoff(const LogDecay& log_decay, double first, double allowed) {
  constexpr double kRatio = 1.15;
  constexpr int kMostBins = 160;
  // In a bin (low, high] the points f = n stride, stride <= low, have sum of stride / f^2 at most 2 / low,
  // and |s (s + 1)| >= f^2.
  std::vector<Cutoff> bins;
  for (double low = first;; low *= kRatio) {
    const bool last =
        bins.size() == kMostBins || log_decay(low, kInfinity) < -60 + std::log(allowed * low + 1e-300);
    const double most = log_decay(low, last ? kInfinity : low * kRatio);
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

LogDecay decay_of(const GaussianLosses& losses, const InversionLine& line, double mu_squared) {
  if (!line.cuts.empty()) {
    // |product of (A + B) - product of A| is greatest at frequency 0.
    const double most = std::log(rare_spectrum(losses, line.cuts, line.tilt, 1, 0).value[0].real()) + 1e-6;
    return [=](double low, double) { return most - mu_squared * low * low / 2; };
  }
  if (!losses.tops.empty()) return [=](double low, double) { return -mu_squared * low * low / 2; };
  std::vector<LossDecay> decays;
  for (const auto& [pair, count] : losses.sampled)
    decays.emplace_back(pair, line.tilt, TiltedLoss(pair, line.tilt));
  return [&losses, mu_squared, decays = std::move(decays)](double low, double high) {
    double sum = -mu_squared * low * low / 2;
    for (size_t i = 0; i < decays.size(); ++i)
      sum += losses.sampled[i].second * decays[i].log_bound(low, high);
    return sum;
  };
}

}  // namespace

double term_rounding(double turn, double frequency, double period, double mean, size_t pairs, size_t count) {
  const double sum = std::abs(mean) * static_cast<double>(1 + pairs);
  return 16 + std::abs(turn) + frequency * (period + sum) + static_cast<double>(count) / 8;
}

std::optional<InvertedLoss> InvertedLoss::at_delta(const GaussianLosses& losses, double delta, double width,
                                                   double hint) {
  const double tilt = tilt_for_delta(losses, delta);
  std::optional<InvertedLoss> result;
  for (int round = 0; round < kRounds; ++round) {
    const double added = width / (1 + tilt);
    const std::optional<InversionLine> at = inversion_line(losses, tilt, hint, std::log(delta), added);
    std::optional<InvertedLoss> now = at ? on_line(losses, *at, added) : std::nullopt;
    if (!now) break;
    const double upper = now->epsilon_upper(delta);
    if (result && upper > 1.5 * hint) break;  // the other one was nearer
    result = std::move(now);
    hint = upper;
    // What is common is cut where epsilon is thought to be.
    const double near = at->cuts.empty() ? kFarOff / at->tilt : 0.03 * at->epsilon;
    if (!(std::isfinite(hint) && std::abs(hint - at->epsilon) > near)) break;
  }
  return result;
}

std::optional<InvertedLoss> InvertedLoss::at_epsilon(const GaussianLosses& losses, double epsilon,
                                                     double width, double hint) {
  const double tilt = tilt_for_epsilon(losses, epsilon);
  std::optional<InvertedLoss> result;
  for (int round = 0; round < kRounds; ++round) {
    const double added = width / (1 + tilt);
    const std::optional<InversionLine> at = inversion_line(losses, tilt, epsilon, std::log(hint), added);
    std::optional<InvertedLoss> now = at ? on_line(losses, *at, added) : std::nullopt;
    if (!now) break;
    result = std::move(now);
    hint = result->delta_upper(epsilon);
    if (!(hint > 0 && std::abs(std::log(hint) - at->log_delta) > kFarOff)) break;
  }
  return result;
}

std::optional<InvertedLoss> InvertedLoss::on_line(const GaussianLosses& losses, const InversionLine& line,
                                                  double mu_squared) {
  const double tilt = line.tilt;
  const SumMoments sum = sum_moments(losses, tilt), further = sum_moments(losses, line.further_tilt);
  if (!(sum.error < 1e-4)) return {};
  InvertedLoss result;
  result.line_ = line;
  result.plain_ = losses.mu_squared;
  result.left_out_ = losses.left_out;
  result.further_log_moment_ = further.value + further.error;
  result.narrow_.mu_squared = result.wide_.mu_squared = mu_squared;
  if (mu_squared > 0) {
    constexpr double kWider = 1.25;  // mu_2 / mu_1
    result.wide_.mu_squared *= kWider * kWider;
    const double narrow = std::sqrt(mu_squared / 8);
    result.ratio_ = std::erf(narrow) / std::erf(kWider * narrow) * (1 + 1e-12);
  }
  const double deviation = std::sqrt(sum.variance + mu_squared), stride = 2 * kPi / line.period;
  const double usual =
      std::exp(line.log_delta - sum.value + tilt * line.epsilon);  // delta in units of the sums
  const std::optional<Cutoff> end = cutoff(decay_of(losses, line, losses.mu_squared + mu_squared),
                                           std::max(2 / deviation, stride), kLeftOut * usual);
  if (!end) return {};
  const double frequencies = std::floor(end->frequency / stride) + 1;
  double points = 8;
  for (size_t i = 0; i < losses.sampled.size(); ++i) {
    const LossPair& pair = losses.sampled[i].first;
    if (line.cuts.empty()) {
      points +=
          TiltedLoss::points(pair, tilt, frequencies * stride, TiltedLoss::Part::kAll, {}, losses.top(i));
    } else {
      for (const TiltedLoss::Part part : {TiltedLoss::Part::kCommon, TiltedLoss::Part::kRare})
        points += TiltedLoss::points(pair, tilt, frequencies * stride, part, line.cuts[i], losses.top(i));
    }
  }
  const double most_work = !losses.tops.empty() ? kMostWorkWithoutTails
                           : mu_squared > 0     ? kMostWork
                                                : kMostWorkAtFirst;
  if (!(frequencies * points < most_work)) return {};

  const auto count = static_cast<size_t>(frequencies);
  const LossSpectrum spectrum = line.cuts.empty() ? whole_spectrum(losses, tilt, stride, count)
                                                  : rare_spectrum(losses, line.cuts, tilt, stride, count);
  result.log_scale_ = spectrum.log_scale;
  result.log_scale_error_ = spectrum.log_scale_error;
  result.mean_ = spectrum.mean;
  for (Sum* all : {&result.narrow_, &result.wide_}) {
    const double plain = losses.mu_squared + all->mu_squared;
    all->error = line.period * end->rest;
    for (size_t n = 0; n <= count; ++n) {
      const std::complex<double> s(tilt, static_cast<double>(n) * stride);
      const double size = std::exp(-plain * s.imag() * s.imag() / 2), turn = plain * (0.5 + tilt) * s.imag();
      const std::complex<double> factor = (n > 0 ? 2.0 : 1.0) * std::polar(size, turn) / (s * (s + 1.0));
      all->terms.push_back(factor * spectrum.value[n]);
      const double rounding =
          term_rounding(turn, s.imag(), line.period, spectrum.mean, losses.sampled.size(), count);
      all->error +=
          std::abs(factor) * (spectrum.error[n] + kRounding * rounding * std::abs(spectrum.value[n]));
    }
  }
  return result;
}

// Of the sum at epsilon, what is not delta(epsilon): between 0 and this.
double InvertedLoss::aliases(const Sum& sum, double epsilon) const {
  const double t = line_.further_tilt, gap = (t - line_.tilt) * line_.period;
  const double log_moment = further_log_moment_ + sum.mu_squared / 2 * t * (1 + t);
  const double above = std::exp(log_moment - t * epsilon - gap + log_chernoff(t)) / -std::expm1(-gap);
  const double below = std::exp(-line_.tilt * line_.period) / -std::expm1(-line_.tilt * line_.period);
  return (below + above) * (1 + 1e-9);
}

// What common outcomes alone add to delta(epsilon), which the spectrum of rare ones leaves out: at most this.
double InvertedLoss::common(const Sum& sum, double epsilon) const {
  if (line_.cuts.empty()) return 0;
  const double t = line_.common_tilt;
  const double log_moment = line_.common_log_moment + (plain_ + sum.mu_squared) / 2 * t * (1 + t);
  return std::exp(log_moment - t * epsilon + log_chernoff(t)) * (1 + 1e-9);
}

std::pair<double, double> InvertedLoss::delta(const Sum& sum, double epsilon) const {
  const double tilt = line_.tilt, stride = 2 * kPi / line_.period;
  const double log_scale = log_scale_ + (plain_ + sum.mu_squared) / 2 * tilt * (1 + tilt);
  const double scale = std::exp(log_scale - tilt * epsilon) / line_.period;
  double total = 0;
  for (size_t n = 0; n < sum.terms.size(); ++n) {
    const double angle = static_cast<double>(n) * stride * (mean_ - epsilon);
    total += sum.terms[n].real() * std::cos(angle) - sum.terms[n].imag() * std::sin(angle);
  }
  // The angle's rounding is in the error for an epsilon within a period of the mean.
  const double error = std::max(1.0, std::abs(mean_ - epsilon) / line_.period) * sum.error;
  const double rounding = log_scale_error_ + kRounding * (4 + std::abs(log_scale) + std::abs(tilt * epsilon));
  const double lower = scale * (total - error) * (1 - rounding) - aliases(sum, epsilon),
               upper = scale * (total + error) * (1 + 2 * rounding) + common(sum, epsilon);
  // A factor that is hardly known says nothing.
  if (!std::isfinite(scale) || !std::isfinite(upper) || !(rounding < 0.1)) return {0, 1};
  return {std::clamp(lower, 0.0, 1.0), std::clamp(upper, 0.0, 1.0)};
}

std::pair<double, double> InvertedLoss::delta(double epsilon) const {
  auto [lower, upper] = delta(narrow_, epsilon);
  if (ratio_ > 0) lower = std::max(0.0, (lower - ratio_ * delta(wide_, epsilon).second) / (1 - ratio_));
  return {lower, std::min(1.0, upper + left_out_)};
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
  return find([&](double x) { return std::log(delta_upper(x)) - std::log(delta); }, line_.epsilon,
              0.05 / line_.tilt)
      .after;
}

double InvertedLoss::epsilon_lower(double delta) const {
  const Crossing found = find([&](double x) { return std::log(delta_lower(x)) - std::log(delta); },
                              line_.epsilon, 0.05 / line_.tilt);
  return found.before;
}

}  // namespace discreet
