// The transform of the sum of many independent losses along a line, E e^(s L) at s = tilt + i n stride, n =
// 0, 1,
// ..., count, with a bound on the error of each: of all outcomes, or of those in which something rare
// happened.
//
// Rare: with every release's outcomes in two (OutcomeCut), E e^(s L) = product of (A_j + B_j)^n_j, A of
// common and B of rare outcomes, and the part with nothing rare is the product of A_j^n_j. The rest,
//   product of A_j^n_j (e^(sum of n_j ln(1 + B_j / A_j)) - 1),
// is computed without it, so that its error is in proportion to itself, also where it is a billionth of all.
#pragma once

#include <complex>
#include <cstddef>
#include <utility>
#include <vector>

#include "discreet/accounting/loss_pair.h"
#include "discreet/accounting/tilted_loss.h"

namespace discreet {

// All of a plan's releases of one direction.
struct GaussianLosses {
  std::vector<std::pair<LossPair, double>> sampled;  // sample rates below 1; how often, a whole number
  double mu_squared = 0;                             // of the plain ones together: (distance / deviation)^2
  // Outcomes that are left out, so that a heavy tail does not hide the rest: none, or one cut for each of
  // `sampled`. With left_out, the sum over all releases of E_P of what is cut off, delta is between that of
  // what is left and left_out more.
  std::vector<OutcomeCut> tops = {};
  double left_out = 0;

  OutcomeCut top(size_t i) const { return tops.empty() ? OutcomeCut() : tops[i]; }
};

// With the losses' upper tails left out, where they are heavy: left_out is at most `mass`.
GaussianLosses without_tails(GaussianLosses losses, double mass);

// Values over e^log_scale, turned by e^(-i n stride mean), without the plain ones.
struct LossSpectrum {
  double log_scale = 0, log_scale_error = 0, mean = 0;
  std::vector<std::complex<double>> value;
  std::vector<double> error;
};

LossSpectrum whole_spectrum(const GaussianLosses& losses, double tilt, double stride, size_t count);
// cuts: one for each of `sampled`.
LossSpectrum rare_spectrum(const GaussianLosses& losses, const std::vector<OutcomeCut>& cuts, double tilt,
                           double stride, size_t count);

}  // namespace discreet
