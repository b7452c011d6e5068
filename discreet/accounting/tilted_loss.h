// The loss of one Poisson-sampled Gaussian release under its tilted distribution, e^(tilt L) dP / E e^(tilt
// L), by the trapezoidal rule: its moment and its characteristic function, each with a bound on its error.
//
// The integrands are analytic in t within |Im t| < pi / shift, where the mixtures have no zero. There, with
// a = |Im t|, they are at most e^(a^2 / 2 + turns |frequency| shift a) cos(shift a / 2)^-power times what
// they are on the real line: |phi(t + i a)| = phi(t) e^(a^2 / 2); a mixture m has |arg m| <= shift a and
//   m(t) cos(shift a / 2) <= |m(t + i a)| <= m(t).
// turns is 1, for kReplace 2; power is the tilt, for kRemove 0. The rule with this stride is then off by at
// most 2 / (e^(2 pi a / stride) - 1) times that, relative to E e^(tilt L) (Trefethen and Weideman 2014,
// Theorem 5.1). Beyond the ends the terms fall at least geometrically.
#pragma once

#include <complex>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "discreet/accounting/loss_pair.h"

namespace discreet {

// A release's outcomes in two: outcome t is common with probability w(t) = erfc((t - at) / width) / 2, else
// rare. |w(t + i a)| <= e^(a^2 / width^2) w(t), so that either part can be integrated as well.
struct OutcomeCut {
  double at = std::numeric_limits<double>::infinity(), width = 1;

  bool is_somewhere() const { return at < std::numeric_limits<double>::infinity(); }
};

class TiltedLoss {
 public:
  enum class Part { kAll, kCommon, kRare };

  // Good for frequencies up to `most_frequency`. A pair whose sample rate is below 1; tilt above 0. Of a
  // part, what is said below is said of that part alone; `cut` is to be well within the outcomes. Of what is
  // rare for `top`, nothing counts: each of the parts is what it has in common with what is common there.
  TiltedLoss(const LossPair& pair, double tilt, double most_frequency = 0, Part part = Part::kAll,
             const OutcomeCut& cut = {}, const OutcomeCut& top = {});
  // How many points that takes; infinite where `top` is too wide for the tilt.
  static double points(const LossPair& pair, double tilt, double most_frequency, Part part = Part::kAll,
                       const OutcomeCut& cut = {}, const OutcomeCut& top = {});

  double log_moment() const { return log_moment_; }  // ln E_P e^(tilt L), of a part: E_P w e^(tilt L)
  double log_moment_error() const { return error_ + log_rounding_; }  // bound
  double mean() const { return mean_; }
  double variance() const { return variance_; }
  // E e^(i f (L - mean())), tilted, at the frequencies f = stride, 2 stride, ..., count * stride; and a bound
  // on the error of the first n of them, by all of the above and by rounding.
  std::vector<std::complex<double>> transform(double stride, size_t count) const;
  double transform_error(double stride, size_t n) const;
  // Between which t nearly all of the tilted distribution lies.
  std::pair<double, double> bulk() const { return bulk_; }

 private:
  double mean_ = 0, variance_ = 0, log_moment_ = 0, log_rounding_ = 0;
  double error_ = 0, error_by_frequency_ = 0;
  std::vector<double> loss_, weight_;  // off the mean; adding up to 1
  std::pair<double, double> bulk_;
};

}  // namespace discreet
