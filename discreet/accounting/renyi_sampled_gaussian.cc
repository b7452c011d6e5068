#include "discreet/accounting/renyi_sampled_gaussian.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace discreet {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMaxPoints = 65536;
// Bound on the relative rounding error of a handful of operations, libm's exp, log, expm1, log1p included.
constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();
// For the closed forms: up to ln of the largest double, 710, roundings in an exponential.
constexpr double kUp = 1 + 1e-12;

// ln(e^a + e^b); NaN where either is.
double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return std::isinf(a) && !std::isnan(b) ? a : a + std::log1p(std::exp(b - a));
}

// ln(1 - q + q e^w), in the form that does not cancel.
double log_mixture(double q, double w) {
  if (w >= 30) return w + std::log(q + (1 - q) * std::exp(-w));
  const double shift = q * std::expm1(w);
  return shift > -0.5 ? std::log1p(shift) : std::log((1 - q) + q * std::exp(w));
}

// A sum of exponentials.
class LogSum {
 public:
  void add(double log_term) {
    if (log_term == -kInfinity) return;
    if (log_term > largest_) {
      sum_ *= std::exp(largest_ - log_term);
      largest_ = log_term;
    }
    sum_ += std::exp(log_term - largest_);
    ++count_;
  }
  double largest() const { return largest_; }
  double upper() const {
    return sum_ == 0 ? -kInfinity : largest_ + std::log(sum_ * (1 + count_ * kRounding));
  }

 private:
  double largest_ = -kInfinity, sum_ = 0, count_ = 0;
};

// Names as in the header: rate q, noise s, order a, b = a - 1.
class Integral {
 public:
  Integral(double rate, double noise, double order, bool replace)
      : q_(rate), s_(noise), variance_(noise * noise), a_(order), b_(order - 1), replace_(replace) {
    double width = std::min(2 * s_, 0.9 * kPi * variance_);
    if (replace_) width = std::min(width, 2 * variance_ / std::sqrt(a_));
    log_cosine_ = replace_ ? -b_ * std::log(std::cos(width / (2 * variance_))) : 0;
    growth_ = width * width / (2 * variance_);
    // 2 pi width / step: fine enough for an error of about 1e-13 of the excess, which is at least about
    // a b q^2 (e^(1/s^2) - 1) / 2 where the noise is large, and where it is small no less than with s = 1.
    const double log_small =
        std::log(a_ * b_ / 2) + 2 * std::log(q_) + std::log(std::expm1(std::min(1 / variance_, 1.)));
    fineness_ = growth_ + log_cosine_ + 30 + std::log1p(2 * a_) - std::min(0., log_small);
    step_ = 2 * kPi * width / fineness_;
    z_ = std::sqrt(2 * fineness_);
    left_ = -(replace_ ? 1 : 0) - z_ * s_;
    edge_ = replace_ ? 2 * a_ - 1 : a_;
    points_ = std::ceil((edge_ + z_ * s_ - left_) / step_);
  }

  // ln of an upper bound on the excess; infinity where it would take too many points.
  double log_excess() const {
    if (!(points_ < 0x1p52)) return kInfinity;
    // A value that the largest term is near to or above, to know from the start what is negligible.
    double reference = -kInfinity;
    for (const double x : {-s_, s_, 2 * s_, a_, edge_}) reference = std::max(reference, log_term(x));
    LogSum sum;
    double taken = 0;
    for (double i = 0; i <= points_; ++i) {
      if (++taken > kMaxPoints) return kInfinity;
      const double x = left_ + i * step_;
      sum.add(log_term(x));
      // Between its two humps, near 0 and near the order, the integrand is negligible. There ln N(0) A^a
      // B^(1-a), which bounds it for x > 0, rises by at most (edge - x) / s^2 for each unit of x.
      if (x > 0 && x < edge_) {
        const double room = std::max(reference, sum.largest()) - kNegligible - log_bound(x);
        if (room > 0) i += std::floor(std::min(room * variance_ / (edge_ - x), edge_ - x) / step_);
      }
    }
    const double log_norm = -std::log(s_) - 0.5 * std::log(2 * kPi);
    const double log_skipped = std::max(reference, sum.largest()) - kNegligible + std::log(points_);
    const double log_sum = std::log(step_) + log_norm + log_add(sum.upper(), log_skipped);

    // Left of the first point: r < 1, so g <= a, and N(0) B has mass at most exp(-z^2 / 2) / 2.
    const double log_left = std::log(a_) - z_ * z_ / 2;
    // Right of the last point: N(0) A^a B^(1-a) falls at least like exp(-z t / s).
    const double log_right = log_bound(left_ + points_ * step_) + std::log(s_ / z_) + log_norm;
    const double log_total = log_add(log_sum, log_add(log_left, log_right));

    // The error of the trapezoidal rule, kappa (c E + 1 + 2a), E <= 1 + total + error.
    const double log_kappa = std::log(2.) + growth_ - fineness_ - std::log1p(-std::exp(-fineness_));
    const double log_mass = log_add(log_cosine_ + log_add(0, log_total), std::log1p(2 * a_));
    const double log_implicit = -std::log1p(-std::exp(log_kappa + log_cosine_));
    const double log_upper = log_add(log_total, log_kappa + log_mass + log_implicit);
    return log_upper + kRounding * (64 + std::abs(log_upper));
  }

 private:
  // Terms that are exp(-kNegligible) of the largest are skipped where possible; fewer than 2^52 = exp(36).
  static constexpr double kNegligible = 80;

  double log_a(double x) const { return log_mixture(q_, (x - 0.5) / variance_); }
  double log_b(double x) const { return replace_ ? log_mixture(q_, (-x - 0.5) / variance_) : 0; }

  // Bound on the rounding error of ln A and of ln B together: of x and of the exponents (x - 1/2) / s^2 a few
  // roundings of reach / s^2, by which ln A changes by at most 2 (|ln A| + q) times as much.
  double error_of_logs(double x, double la, double lb) const {
    const double size = std::abs(la) + std::abs(lb);
    return kRounding * (size + (size + 2 * q_) * reach(x) / variance_);
  }
  double reach(double x) const { return std::abs(x) + std::abs(left_) + 1; }

  // Bound on the rounding error of the sums of logarithms below.
  double slack(double x, double la, double lb) const {
    return kRounding * (2 + reach(x) * reach(x) / (2 * variance_)) + a_ * error_of_logs(x, la, lb);
  }

  // Upper bound on ln N(0) A^a B^(1-a), the Gaussian's constant left out.
  double log_bound(double x) const {
    const double la = log_a(x), lb = log_b(x);
    return -x * x / (2 * variance_) + lb + a_ * (la - lb) + slack(x, la, lb);
  }

  // Upper bound on ln N(0) B g(r), the Gaussian's constant left out.
  double log_term(double x) const {
    const double la = log_a(x), lb = log_b(x), l = la - lb;
    const double log_weight = -x * x / (2 * variance_) + lb + slack(x, la, lb);
    const double error_of_l = error_of_logs(x, la, lb);
    if (std::max(1., a_) * std::abs(l) < 0.02) {
      // Binomial series of (1 + u)^a - 1 - a u, u = expm1(l): terms fall at least like 0.02^k.
      const double u = std::expm1(l);
      double factor = 1, series = 1;
      for (int k = 3; k <= 12; ++k) {
        factor *= u * (a_ - k + 1) / k;
        series += factor;
      }
      const double log_u = std::log(std::abs(u) + 2 * error_of_l);
      return log_weight + std::log(a_ * b_ / 2 * series) + 2 * log_u + kRounding * (32 + std::abs(log_u));
    }
    if (l > 0 && a_ * l > 30) {
      const double power = b_ * l;
      const double log_first =
          l + (power < 30 ? std::log(std::expm1(power)) : power + std::log1p(-std::exp(-power)));
      const double share = std::exp(std::log(b_) + l + std::log(-std::expm1(-l)) - log_first);
      const double rest = std::max(1 - share, kRounding);
      return log_weight + log_first + std::log(rest) + kRounding * (2 + l + std::abs(log_first)) / rest;
    }
    const double first = std::exp(l) * std::expm1(b_ * l), second = b_ * std::expm1(l);
    const double size = std::abs(first) + std::abs(second);
    const double g = std::max(first - second, kRounding * size);
    return log_weight + std::log(g) + (kRounding + error_of_l * (1 / std::abs(l) + a_)) * size / g;
  }

  double q_, s_, variance_, a_, b_;
  bool replace_;
  double log_cosine_, growth_, fineness_, step_, z_, left_, edge_, points_;
};

// ln(1 - q + q e^d): joint convexity of exp((a - 1) D_a), d = (a - 1) times the unsampled divergence; without
// replacement also the triangle inequality of the norm of order a, ||A|| <= 1 - q + q ||N(1) / N(0)||.
double log_mean_in_closed_form(double q, double order, double unsampled, bool replace) {
  const double power = (order - 1) * unsampled;
  const double convex = log_mixture(q, power);
  return replace ? convex : std::min(convex, order * log_mixture(q, power / order));
}

}  // namespace

double renyi_sampled_gaussian(double sample_rate, double noise_multiplier, double order, Relation relation) {
  assert(sample_rate >= 0 && sample_rate <= 1 && noise_multiplier > 0 && order > 1);
  const bool replace = relation == Relation::kReplaceOne;
  const double unsampled = order / 2 * (replace ? 4 : 1) / noise_multiplier / noise_multiplier;
  if (sample_rate == 0) return 0;
  if (sample_rate == 1) return unsampled * kUp;
  double log_excess = Integral(sample_rate, noise_multiplier, order, replace).log_excess();
  if (std::isnan(log_excess)) log_excess = kInfinity;  // a failure is never a small number
  const double log_mean =
      std::min(log_add(0, log_excess), log_mean_in_closed_form(sample_rate, order, unsampled, replace));
  // Plus the smallest number, for what underflows.
  return std::min(unsampled, log_mean / (order - 1)) * kUp + std::numeric_limits<double>::min();
}

}  // namespace discreet
