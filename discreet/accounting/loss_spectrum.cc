#include "discreet/accounting/loss_spectrum.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/accounting/normal_mass.h"

namespace discreet {
namespace {

constexpr double kRounding = 0x1p-50;

// E_P of what is rare for this cut: its smoothness is a normal variable of variance width^2 / 2 on top.
double rare_mass(const LossPair& pair, const OutcomeCut& cut) {
  const double deviation = std::sqrt(1 + cut.width * cut.width / 2), from = cut.at / deviation;
  const double without = normal_mass(from, std::numeric_limits<double>::infinity()),
               with = normal_mass(from, std::numeric_limits<double>::infinity(), pair.shift() / deviation);
  return ((1 - pair.sample_rate()) * without + pair.sample_rate() * with) * (1 + 1e-9);
}

}  // namespace

GaussianLosses without_tails(GaussianLosses losses, double mass) {
  // Tilts up to kMostTilted over the loss at the cut are to be of use.
  constexpr double kMostTilted = 100;
  losses.tops.clear();
  losses.left_out = 0;
  double releases = 0;
  for (const auto& [pair, count] : losses.sampled) releases += count;
  for (const auto& [pair, count] : losses.sampled) {
    OutcomeCut& top = losses.tops.emplace_back();
    if (pair.direction() == LossPair::Direction::kAdd) continue;  // bounded above
    const auto at = [&, shift = pair.shift()](double t) {
      const double width = 1 / (shift * std::sqrt(1 + kMostTilted / std::max(pair.loss(t), 1e-6)));
      return OutcomeCut{t, std::min(0.5, width)};
    };
    double low = 0, high = 30 + pair.shift();  // beyond there is less than 1e-197
    while (high - low > 1e-3) {
      const double middle = (low + high) / 2;
      (rare_mass(pair, at(middle)) * releases < mass ? high : low) = middle;
    }
    top = at(high);
    losses.left_out += count * rare_mass(pair, top);
  }
  losses.left_out *= 1 + 1e-12;
  return losses;
}

LossSpectrum whole_spectrum(const GaussianLosses& losses, double tilt, double stride, size_t count) {
  LossSpectrum result;
  std::vector<double> log_size(count, 0.0), log_most(count, 0.0), angle(count, 0.0), turned(count, 0.0);
  for (size_t i = 0; i < losses.sampled.size(); ++i) {
    const auto& [pair, times] = losses.sampled[i];
    const TiltedLoss loss(pair, tilt, static_cast<double>(count) * stride, TiltedLoss::Part::kAll, {},
                          losses.top(i));
    result.log_scale += times * loss.log_moment();
    result.log_scale_error += times * (loss.log_moment_error() + kRounding * std::abs(loss.log_moment()));
    result.mean += times * loss.mean();
    const std::vector<std::complex<double>> psi = loss.transform(stride, count);
    for (size_t n = 0; n < count; ++n) {
      const double error = loss.transform_error(stride, n + 1);
      const double size = std::abs(psi[n]), by = std::arg(psi[n]);
      log_size[n] += times * std::log(size);
      log_most[n] += times * std::log(size + error);
      angle[n] += times * by;
      turned[n] += times * std::abs(by);
    }
  }
  result.value = {1};
  result.error = {0};
  for (size_t n = 0; n < count; ++n) {
    const double size = std::exp(log_size[n]), most = std::exp(log_most[n]);
    result.value.push_back(std::polar(size, angle[n]));
    result.error.push_back(most - size + most * kRounding * (4 + std::abs(log_most[n]) + turned[n]));
  }
  return result;
}

LossSpectrum rare_spectrum(const GaussianLosses& losses, const std::vector<OutcomeCut>& cuts, double tilt,
                           double stride, size_t count) {
  // With x_j = |A_j|, y_j = |B_j| and more(x, y) = product of (x_j + y_j)^n_j - product of x_j^n_j, errors of
  // a and b in them make one of at most more(x + a, y + b) - more(x, y): so in each term of the expansion.
  struct Sums {
    std::complex<double> log_common = 0, log_ratio = 0;  // sums of n ln A, n ln(1 + B / A)
    double size = 0, size_ratio = 0;                     // sums of n ln x, n ln(1 + y / x)
    double most = 0, most_ratio = 0;                     // of the greatest that they may be
    double turned = 0;
  };
  std::vector<Sums> sums(count + 1);
  LossSpectrum result;
  for (size_t i = 0; i < losses.sampled.size(); ++i) {
    const auto& [pair, times] = losses.sampled[i];
    const double most_frequency = static_cast<double>(count) * stride;
    const TiltedLoss common(pair, tilt, most_frequency, TiltedLoss::Part::kCommon, cuts[i], losses.top(i)),
        rare(pair, tilt, most_frequency, TiltedLoss::Part::kRare, cuts[i], losses.top(i));
    result.log_scale += times * common.log_moment();
    result.log_scale_error += times * (common.log_moment_error() + kRounding * std::abs(common.log_moment()));
    result.mean += times * common.mean();
    const double ratio = std::exp(rare.log_moment() - common.log_moment());
    const double ratio_error = rare.log_moment_error() + common.log_moment_error() + kRounding * 8;
    const double further = rare.mean() - common.mean();
    const std::vector<std::complex<double>> a = common.transform(stride, count),
                                            b = rare.transform(stride, count);
    for (size_t n = 0; n <= count; ++n) {
      const double turn = static_cast<double>(n) * stride * further,
                   a_error = n > 0 ? common.transform_error(stride, n) : 0,
                   b_error = n > 0 ? rare.transform_error(stride, n) : 0;
      const std::complex<double> in_common = n > 0 ? a[n - 1] : 1,
                                 in_rare = ratio * std::polar(1.0, turn) * (n > 0 ? b[n - 1] : 1);
      const double x = std::abs(in_common), y = std::abs(in_rare), x_most = x + a_error,
                   y_most =
                       (y + ratio * (b_error + kRounding * (4 + std::abs(turn)))) * (1 + 2 * ratio_error);
      const std::complex<double> share = in_rare / in_common;
      Sums& sum = sums[n];
      sum.log_common += times * std::log(in_common);
      // ln(1 + share), exact also where share is small
      sum.log_ratio += times * std::complex<double>(std::log1p(2 * share.real() + std::norm(share)) / 2,
                                                    std::atan2(share.imag(), 1 + share.real()));
      sum.size += times * std::log(x);
      sum.most += times * std::log(x_most);
      sum.size_ratio += times * std::log1p(y / x);
      sum.most_ratio += times * std::log1p(y_most / x_most);
      sum.turned += times * std::abs(std::arg(in_common));
    }
  }
  for (const Sums& sum : sums) {
    // e^z - 1, exact also where z is small
    const std::complex<double> z = sum.log_ratio;
    const double sine = std::sin(z.imag() / 2);
    const std::complex<double> grown(std::expm1(z.real()) * std::cos(z.imag()) - 2 * sine * sine,
                                     std::exp(z.real()) * std::sin(z.imag()));
    result.value.push_back(std::exp(sum.log_common) * grown);
    const double size = std::exp(sum.size) * std::expm1(sum.size_ratio),
                 most = std::exp(sum.most) * std::expm1(sum.most_ratio);
    result.error.push_back(most - size +
                           most * kRounding * (32 + std::abs(sum.most) + sum.most_ratio + sum.turned));
  }
  return result;
}

}  // namespace discreet
