// Where a transform is inverted (inverted_loss.h): the line Re s = tilt, and how far apart its points may be.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include "discreet/accounting/loss_spectrum.h"

namespace discreet {

// The sum's ln E e^(tilt L), a bound on its error, and the tilted mean and variance; the plain ones in it.
// Infinite where it takes too many points.
struct SumMoments {
  double value = 0, error = 0, mean = 0, variance = 0;
};
SumMoments sum_moments(const GaussianLosses& losses, double tilt);

// ln of the most of (1 - e^-y) e^(-tilt y): delta(x) <= E e^(tilt (L - x)) times that (Chernoff).
double log_chernoff(double tilt);

struct InversionLine {
  double epsilon = 0, log_delta = 0;  // what is expected there
  double tilt = 0, period = 0;
  double further_tilt = 0;  // for Chernoff's bound on what is beyond a period

  // Where delta is of rare outcomes, that rounding of the whole would drown: one for each sampled pair. The
  // others are bounded at common_tilt, where the sum of theirs has this ln E e^(tilt L), without the plain
  // ones.
  std::vector<OutcomeCut> cuts = {};
  double common_tilt = 0, common_log_moment = 0;
};

// The tilts about which delta(epsilon) is near `delta`, by the saddlepoint approximation (loss_moments.h), or
// the mean near `epsilon`.
double tilt_for_delta(const GaussianLosses& losses, double delta);
double tilt_for_epsilon(const GaussianLosses& losses, double epsilon);

// The line on which the period is short and errors stay small: tilts from a little above `most` downwards. If
// epsilon or log_delta is not known (NaN), it is taken from Chernoff's bound. extra: mu squared of plain
// releases that will be added.
std::optional<InversionLine> inversion_line(const GaussianLosses& losses, double most, double epsilon,
                                            double log_delta, double extra);

// Aimed at, of delta: what is left out.
constexpr double kLeftOut = 1e-8;

}  // namespace discreet
