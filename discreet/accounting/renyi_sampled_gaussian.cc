#include "discreet/accounting/renyi_sampled_gaussian.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace discreet {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMaxPoints = 262144;
// Bound on the relative rounding error of a handful of operations, libm's exp, log, expm1, log1p included.
constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

// ln(e^a + e^b).
double log_add(double a, double b) {
  const double high = std::max(a, b);
  return high == -kInfinity ? high : high + std::log1p(std::exp(std::min(a, b) - high));
}

// ln(1 - q + q e^w).
double log_mixture(double q, double w) {
  return w < 30 ? std::log1p(q * std::expm1(w)) : w + std::log(q + (1 - q) * std::exp(-w));
}

struct Term {
  double log_value;       // ln of the integrand, without the Gaussian's constant
  double relative_error;  // of its exponential
};

// A sum of exponentials of terms, with a bound on its rounding error.
class Sum {
 public:
  void add(const Term& term) {
    if (term.log_value == -kInfinity) return;
    if (term.log_value > scale_) {
      const double shrink = std::exp(scale_ - term.log_value);
      sum_ *= shrink;
      error_ *= shrink;
      scale_ = term.log_value;
    }
    const double value = std::exp(term.log_value - scale_);
    sum_ += value;
    error_ += value * term.relative_error;
    ++count_;
  }
  double log_upper() const {
    return sum_ == 0 ? -kInfinity : scale_ + std::log(sum_ * (1 + count_ * kRounding) + error_);
  }

 private:
  double scale_ = -kInfinity, sum_ = 0, error_ = 0, count_ = 0;
};

class Integral {
 public:
  Integral(double q, double s, double order, bool replace)
      : q_(q), variance_(s * s), s_(s), a_(order), b_(order - 1), replace_(replace) {}

  // ln of an upper bound on the excess; infinity where it would take too many points.
  double log_excess() const {
    double width = std::min(2 * s_, 0.9 * kPi * variance_);
    if (replace_) width = std::min(width, 2 * variance_ / std::sqrt(a_));
    const double log_cosine = replace_ ? -b_ * std::log(std::cos(width / (2 * variance_))) : 0;
    const double growth = width * width / (2 * variance_);
    // Fine enough for an error of about 1e-13 of the excess, which is near a b q^2 (e^(1/s^2) - 1) / 2 if
    // small.
    const double log_small =
        std::log(a_ * b_ / 2) + 2 * std::log(q_) + std::log(std::expm1(std::min(1 / variance_, 700.)));
    const double fineness = growth + log_cosine + 30 + std::log1p(2 * a_) - std::min(0., log_small);
    const double step = 2 * kPi * width / fineness;
    const double z = std::sqrt(2 * fineness);
    const double left = -(replace_ ? 1 : 0) - z * s_, edge = (replace_ ? 2 * a_ - 1 : a_),
                 right = edge + z * s_;
    const double points = std::ceil((right - left) / step);
    if (!(points < kMaxPoints)) return kInfinity;

    Sum sum;
    for (double i = 0; i <= points; ++i) sum.add(term(left + i * step));
    const double log_norm = -std::log(s_) - 0.5 * std::log(2 * kPi);
    const double log_sum = std::log(step) + log_norm + sum.log_upper();

    // Left of `left`: r < 1, so g <= a, and N(0) B has mass at most exp(-z^2 / 2) / 2.
    const double log_left = std::log(a_) - z * z / 2;
    // Right of `last`: N(0) A^a B^(1-a) falls at least like exp(-z t / s).
    const double last = left + points * step;
    const double log_b = log_mixture_b(last);
    const double log_right = -last * last / (2 * variance_) + log_b + a_ * (log_mixture_a(last) - log_b) +
                             std::log(s_ / z) + log_norm;
    const double log_total = log_add(log_sum, log_add(log_left, log_right));

    const double log_kappa = std::log(2.) + growth - fineness - std::log1p(-std::exp(-fineness));
    const double log_mass = log_add(log_cosine + log_add(0, log_total), std::log1p(2 * a_));
    const double relative = -std::log1p(-std::exp(std::min(log_kappa + log_cosine, -1.)));
    return log_add(log_total, log_kappa + log_mass + relative) + 64 * kRounding;
  }

 private:
  double log_mixture_a(double x) const { return log_mixture(q_, (x - 0.5) / variance_); }
  double log_mixture_b(double x) const { return replace_ ? log_mixture(q_, (-x - 0.5) / variance_) : 0; }

  Term term(double x) const {
    const double log_a = log_mixture_a(x), log_b = log_mixture_b(x), l = log_a - log_b;
    const double log_weight = -x * x / (2 * variance_) + log_b;
    if (l == 0) return {-kInfinity, 0};
    // Errors of the exponents, relative in what is exponentiated.
    const double exponent_error =
        kRounding * (2 + x * x / (2 * variance_) + a_ * (std::abs(log_a) + std::abs(log_b)));
    if (std::max(1., a_) * std::abs(l) < 0.02) {
      // Binomial series of (1 + u)^a - 1 - a u, u = expm1(l): terms fall at least like 0.02^k.
      const double u = std::expm1(l);
      double factor = 1, series = 1;
      for (int k = 3; k <= 12; ++k) {
        factor *= u * (a_ - k + 1) / k;
        series += factor;
      }
      return {log_weight + std::log(a_ * b_ / 2 * series) + 2 * std::log(std::abs(u)),
              exponent_error + 4 * log_error(log_a, log_b, l)};
    }
    if (l > 1 && a_ * l > 30) {
      const double log_first =
          l + (b_ * l < 30 ? std::log(std::expm1(b_ * l)) : b_ * l + std::log1p(-std::exp(-b_ * l)));
      const double ratio = std::exp(std::log(b_) + l + std::log1p(-std::exp(-l)) - log_first);
      const double left = std::max(1 - ratio, kRounding);
      return {log_weight + log_first + std::log(left), exponent_error + 2 * kRounding / left};
    }
    const double first = std::exp(l) * std::expm1(b_ * l), second = b_ * std::expm1(l);
    const double size = std::abs(first) + std::abs(second);
    const double g = std::max(first - second, kRounding * size);
    const double wrong = kRounding + log_error(log_a, log_b, l) * (1 + a_ * std::abs(l));
    return {log_weight + std::log(g), exponent_error + wrong * size / g};
  }

  // Relative error of l = log_a - log_b.
  static double log_error(double log_a, double log_b, double l) {
    return kRounding * (std::abs(log_a) + std::abs(log_b)) / std::abs(l);
  }

  double q_, variance_, s_, a_, b_;
  bool replace_;
};

}  // namespace

double renyi_sampled_gaussian(double sample_rate, double noise_multiplier, double order, Relation relation) {
  assert(sample_rate >= 0 && sample_rate <= 1 && noise_multiplier > 0 && order > 1);
  const bool replace = relation == Relation::kReplaceOne;
  const double unsampled = order / 2 * (replace ? 4 : 1) / noise_multiplier / noise_multiplier;
  if (sample_rate == 0) return 0;
  if (sample_rate == 1) return unsampled;
  const double log_excess = Integral(sample_rate, noise_multiplier, order, replace).log_excess();
  const double log_mean =
      log_excess < 30 ? std::log1p(std::exp(log_excess)) : log_excess + std::exp(-log_excess);
  return std::min(unsampled, log_mean / (order - 1) * (1 + kRounding));
}

}  // namespace discreet
