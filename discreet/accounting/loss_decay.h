// How fast the characteristic function psi(f) of one Poisson-sampled Gaussian release's tilted loss L decays:
// upper bounds on |psi|, for all frequencies from some one on, without computing it there. Two are taken,
// from cells that hold most of the tilted distribution, and the less counts.
//
// Middle frequencies. With an independent copy L' and D = L - L', 1 - |psi(f)|^2 = E 2 sin^2(f D / 2), and
// for |f D| <= u <= pi, sin^2(f D / 2) >= (sin(u / 2) / (u / 2))^2 (f D / 2)^2. So it is at least that factor
// times f^2 / 2 E[D^2; |D| <= u / f], which the cells bound from below, pair by pair.
//
// High frequencies. L has a density g = (density of t) / (dL / dt), and by parts |integral over the cells of
// g e^(i f l) dl| <= (g at both ends + total variation of g) / f. What is outside of the cells adds at most
// its mass.
#pragma once

#include <utility>
#include <vector>

#include "discreet/accounting/loss_pair.h"
#include "discreet/accounting/tilted_loss.h"

namespace discreet {

class LossDecay {
 public:
  LossDecay(const LossPair& pair, double tilt, const TiltedLoss& tilted);

  // Upper bound on ln |psi(f)| for all f in [low, high], low above 0; high may be infinite.
  double log_bound(double low, double high) const;

 private:
  double squares_within(double distance) const;

  double mass_ = 0, variation_ = 0;  // of the cells, from below; of g, from above
  // E[D^2; |D| <= distance], from below, at the distances that double every kOctave entries.
  std::vector<double> squares_;
  double log_first_ = 0;
};

}  // namespace discreet
