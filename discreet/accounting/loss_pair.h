// The dominating pair (P, Q) of the Poisson-sampled Gaussian mechanism (Zhu, Dong, Wang 2022), as what an
// accountant of privacy losses needs of it: a statistic t of the outcome in which the loss ln(dP/dQ) grows,
// and the masses of P and Q between two values of t.
//
// Rate q in (0, 1], noise of standard deviation s; all in units of the clip:
//   kRemove   P = (1-q) N(0, s^2) + q N(1, s^2),  Q = N(0, s^2)                       t = x / s
//   kAdd      P = N(0, s^2),  Q = (1-q) N(0, s^2) + q N(1, s^2)                       t = -x / s
//   kReplace  P = (1-q) N(0, s^2) + q N(1, s^2),  Q = (1-q) N(0, s^2) + q N(-1, s^2)  t = x / s
// add-or-remove-one and zero-out need kRemove and kAdd, each composed by itself, and the worse of the two;
// replace-one needs kReplace, whose two directions are mirror images; that it is the worst among all
// contributions is shown in renyi_sampled_gaussian.h, where only the joint convexity of phi is used, which
// delta has at every epsilon. q = 1 is the Gaussian mechanism; its kReplace is a Gaussian of sensitivity 2.
#pragma once

namespace discreet {

class LossPair {
 public:
  enum class Direction { kRemove, kAdd, kReplace };

  // sample_rate in (0, 1], noise_multiplier in [1e-6, 1e9] (asserted).
  LossPair(Direction direction, double sample_rate, double noise_multiplier);

  double loss(double t) const;
  // The t of this loss; -infinity at or below every loss, infinity at or above every loss.
  double threshold(double loss) const;

  struct Masses {
    double p = 0, q = 0;
  };
  // Of t in (low, high), each to a relative error of normal_mass_error(the largest |t| but infinity, plus
  // 2 / noise_multiplier).
  Masses between(double low, double high) const;
  // The densities of t at a point.
  Masses densities(double t) const;
  // ln of P's density over that of the standard normal distribution.
  double log_p(double t) const;
  // The probabilities that a record was in the sample, given t, under a mixture with N(1, s^2) and under one
  // with N(-1, s^2); 0 where the pair has no such mixture. The loss grows by shift() * (up + down) in t.
  struct Hits {
    double up = 0, down = 0;
  };
  Hits hits(double t) const;

  Direction direction() const { return direction_; }
  double sample_rate() const { return q_; }
  double shift() const { return shift_; }  // 1 / noise_multiplier: how far apart the Gaussians are in t

 private:
  Direction direction_;
  double q_, shift_;
  double log_rest_, log_q_;  // ln(1 - q), ln(q)
};

}  // namespace discreet
