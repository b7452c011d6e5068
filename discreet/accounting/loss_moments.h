// The moment generating function of a sum of losses, K(t) = ln E e^(t L): which tilt of the sum shows a small
// delta well, and how far the tilted sum reaches (Chernoff's bound).
#pragma once

#include <vector>

#include "discreet/accounting/loss_grid.h"

namespace discreet {

// `count` releases whose loss is bounded by the grids; both have one step.
struct LossPart {
  LossGrid upper, lower;
  double count = 0;  // a whole number, 1 to 2^53
};

// The parts' upper grids, or the lower ones.
using LossSide = LossGrid LossPart::*;

// K(tilt) of one release, and of all of them.
double log_moment(const LossGrid& grid, double tilt);
double log_moment(const std::vector<LossPart>& parts, LossSide side, double tilt);

// K(tilt) and its first two derivatives, the mean and the variance of the tilted loss.
struct LossMoments {
  double value = 0, mean = 0, variance = 0;
};

// One side of the parts, told by a few hundred clusters of its cells: for searches, which need not be exact.
class ThinLoss {
 public:
  ThinLoss(const std::vector<LossPart>& parts, LossSide side);
  LossMoments moments(double tilt) const;  // where they are too large for a number, the value is infinite
  double step() const { return step_; }    // of the grids
  double count() const;                    // of all parts

 private:
  struct Cluster {
    double loss, mass, variance;
  };
  struct Part {
    std::vector<Cluster> clusters;
    double count;
  };
  std::vector<Part> parts_;
  double step_;
};

// epsilon at this delta, roughly: where K'(t) = epsilon, delta(epsilon) is about
// e^(K(t) - t epsilon) / (t (t + 1) sqrt(2 pi K''(t))), the saddlepoint approximation (Daniels 1954).
double saddlepoint_epsilon(const ThinLoss& thin, double delta);

// The tilt with which delta(epsilon) is to be computed where it is about `delta`. An error e of the tilted
// sum is one of e^(K(t) - t epsilon) e of delta, least where K'(t) = epsilon; but a strong tilt brings out
// rare large losses, which need a wide window. So it is the weakest one with which that factor is at most
// leeway * delta, or the least, where none is.
double enough_tilt(const ThinLoss& thin, double delta, double epsilon, double leeway);

// w such that the tilted sum is beyond it, above (sign 1) or below (sign -1), with probability at most
// `tail`.
double tilted_reach(const std::vector<LossPart>& parts, LossSide side, const ThinLoss& thin, double tilt,
                    double tail, double sign);

}  // namespace discreet
