// The sum of many independent losses of Poisson-sampled and plain Gaussian releases, as certified bounds on
// delta, by inverting its transform: what a plan of very many small releases costs, in a fraction of a
// millisecond and to some eight digits. (composed_loss.h does the others.)
//
// delta(x) = E_P[(1 - e^(x - L))^+] has the bilateral Laplace transform E_P e^(s L) / (s (s + 1)), Re s > 0.
// On the line Re s = tilt, at the points tilt + i n 2 pi / period, Poisson's summation formula says
//   e^(-tilt x) / period  sum over n of e^(-i n 2 pi x / period) E_P e^(s_n L) / (s_n (s_n + 1))
//     = sum over k of e^(tilt k period) delta(x + k period).
// The left side is computed; on the right, what is not k = 0 is positive and is bounded, below by delta <= 1
// and above by Chernoff's bound at a larger tilt. Bounded and included as well: the moments (tilted_loss.h),
// the points that are left out (loss_decay.h), and rounding.
//
// Few releases, or few that count, have a transform that hardly decays. Then the plan is looked at with one
// more Gaussian release of mu_1 (standard deviations apart), and with one of mu_2 > mu_1 instead. With
// delta_i >= delta for those, and r = (2 Phi(mu_1 / 2) - 1) / (2 Phi(mu_2 / 2) - 1),
//   (delta_1 - r delta_2) / (1 - r) <= delta <= delta_1,
// both within about mu^2. For by delta(x) = E (1 - e^(x - L))^+ and in x - L = u, the added release turns
// h(u) = (1 - e^u)^+ into the Black-Scholes price of a put of volatility mu, which is above h by
//   b_mu(u) = e^(u/2) / sqrt(2 pi)  integral from 0 to mu of e^(-u^2 / (2 v^2) - v^2 / 8) dv
// (vega, integrated). b_mu1 / b_mu2 falls in |u|, because e^(-u^2 / (2 v^2)) favours large v; at u = 0 it is
// r. So b_mu1 <= r b_mu2 everywhere.
//
// A heavy tail (a rare draw that is nearly certain to be noticed) makes e^(tilt L) a matter of outcomes that
// hardly ever happen. It can be left out (without_tails): what it holds of P is added to the upper bound, and
// the rest has delta(x) = E w (1 - e^(x - L))^+, w in [0, 1], for which all of the above holds as well.
//
// (On such inversions: Koskela, Jaelkoe, Honkela 2020; Zhu, Dong, Wang 2022; Alghamdi and others 2023.)
#pragma once

#include <complex>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "discreet/accounting/inversion_line.h"
#include "discreet/accounting/loss_spectrum.h"

namespace discreet {

// Bound on the rounding of one of the inversion's terms, in units of 2^-50 of its size: of its angles, turn
// (of the plain releases) and frequency times what is in (of the mean, a sum over `pairs` kinds of releases,
// and an epsilon within a period of it), and of the sum over `count` terms.
double term_rounding(double turn, double frequency, double period, double mean, size_t pairs, size_t count);

class InvertedLoss {
 public:
  // At the tilt that suits delta, or epsilon. width: about how far the bounds on epsilon may be apart by an
  // added release; 0 for none. hint: the answer, roughly; NaN if not known. Empty where this would take long.
  static std::optional<InvertedLoss> at_delta(const GaussianLosses& losses, double delta, double width,
                                              double hint);
  static std::optional<InvertedLoss> at_epsilon(const GaussianLosses& losses, double epsilon, double width,
                                                double hint);

  // Bounds on delta at this epsilon, in [0, 1].
  double delta_upper(double epsilon) const { return delta(epsilon).second; }
  double delta_lower(double epsilon) const { return delta(epsilon).first; }
  // Bounds on epsilon at this delta, at least 0; infinite where there is none.
  double epsilon_upper(double delta) const;
  double epsilon_lower(double delta) const;

 private:
  // What is added up over n = 0, 1, ... with one added release, or none.
  struct Sum {
    double mu_squared = 0;  // of what was added
    // Twice (once for n = 0) the transform over its scale, the mean taken out.
    std::vector<std::complex<double>> terms = {};
    double error = 0;  // of their sum, with what is left out
  };
  InvertedLoss() = default;
  static std::optional<InvertedLoss> on_line(const GaussianLosses& losses, const InversionLine& line,
                                             double mu_squared);
  std::pair<double, double> delta(double epsilon) const;
  std::pair<double, double> delta(const Sum& sum, double epsilon) const;
  double aliases(const Sum& sum, double epsilon) const;
  double common(const Sum& sum, double epsilon) const;

  InversionLine line_;
  double plain_ = 0;                                       // mu squared of the plan's own plain releases
  double log_scale_ = 0, log_scale_error_ = 0, mean_ = 0;  // of the sampled ones' spectrum
  double further_log_moment_ = 0;                          // upper bound, for Chernoff's
  double left_out_ = 0;                                    // of delta, with tails: at most this
  Sum narrow_, wide_;
  double ratio_ = 0;  // r; 0 where nothing was added
};

}  // namespace discreet
