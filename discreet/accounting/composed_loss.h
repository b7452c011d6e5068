// The sum of many independent privacy losses, as certified bounds on delta: what a plan of releases costs.
//
// Masses are tilted by e^(tilt * loss) before the Fourier transform and tilted back after it (as importance
// sampling does), so that a small delta is as exact as a large one. Bounded and included: what leaves the
// window of the transform (Chernoff, by the exact moment generating functions of the grids), and the rounding
// of the transforms and powers (Higham 2002, section 24.1, in the Euclidean norm, with a factor to spare).
// Where that rounding is not small beside delta, all is done again in the machine's extended precision.
#pragma once

#include <cstdint>
#include <vector>

#include "discreet/accounting/loss_moments.h"

namespace discreet {

class ComposedLoss {
 public:
  // Composes the parts, whose grids all have the same step. Best where delta(epsilon) is near `delta`.
  // kUnsupported where the transform would be too large, or its rounding would leave nothing certain.
  ComposedLoss(const std::vector<LossPart>& parts, double delta);

  // Bounds on epsilon at this delta, at least 0. Infinite where the window or the mass of infinite loss does
  // not allow one; best near the delta of the constructor.
  double epsilon_upper(double delta) const;
  double epsilon_lower(double delta) const;
  // Bounds on delta at this epsilon, in [0, 1].
  double delta_upper(double epsilon) const;
  double delta_lower(double epsilon) const;

 private:
  // delta at the losses first + i * step, i = 0, 1, ...; beyond the last one `beyond`.
  struct Curve {
    double first = 0, step = 0;
    std::vector<double> delta;
    double beyond = 0;
  };
  template <typename Real>
  void compose(const std::vector<LossPart>& parts, const ThinLoss& thin, double delta, double epsilon,
               double leeway);
  Curve upper_, lower_;
  double rounding_share_ = 0;  // of delta, where the upper curve passes the constructor's delta
};

}  // namespace discreet
