// The dominating pairs of pure mechanisms (Zhu, Dong, Wang 2022): Laplace noise, randomised response, the
// exponential mechanism.
//
// All but one have one shape. The loss L = ln(dP/dQ) is at most E in size and its distributions under P and Q
// are mirror images; under P it has atoms and, on (-E, E), the density c e^((L - E) / 2). Mirror images: each
// pair is its own reverse, so that one direction stands for both.
//
//   laplace              E = distance / scale. P = Lap(0), Q = Lap(E), scale 1: atoms 1/2 at E and e^-E / 2
//                        at -E, c = 1/4.
//   discrete_laplace     t = 1 / scale, distance D, a whole number; Pr[k] = (1 - r) / (1 + r) r^|k|, r =
//   e^-t.
//                        Atoms only, at t (D - 2 k): 1 / (1 + r) for k = 0, r^D / (1 + r) for k = D, and
//                        (1 - r) / (1 + r) r^k between.
//   randomized_response  of k values: atoms e^E / (e^E + k - 1) at E, (k - 2) / (e^E + k - 1) at 0, 1 / (e^E
//   +
//                        k - 1) at -E (Kairouz, Oh, Viswanath 2015 for k = 2).
//   bounded_range        of a mechanism whose loss between neighbours varies by at most E, as the exponential
//                        mechanism's does. Its worst pairs are two outcomes of losses t and t - E, 0 <= t <=
//                        E (Dong, Durfee, Rogers 2020). At a given epsilon the worst t is (epsilon + E) / 2,
//                        which gives
//                          delta(epsilon) = (1 - e^((epsilon - E) / 2))^2 / (1 - e^-E)
//                        and that is the delta of the pair with no atoms, c = 1 / (2 (1 - e^-E)).
//   two_outcomes         one of those pairs, which is attained: an atom at t and one at t - E. It is the one
//                        that is not its own mirror image.
//
// A vector with independent (discrete) Laplace noise is dominated by one coordinate that moves by all of the
// L1 distance. For two coordinates that move by a <= b (scale 1): for epsilon >= 0 the second's delta is
// max(0, 1 - e^((epsilon - b) / 2)) wherever it is asked for, so both together have, with c = epsilon - b,
//   E max(0, 1 - e^((c - L) / 2)),  L the first's loss,
// which for -a < c < a is 1 - e^-w (1 + w/2), w = (a - c) / 2, and for c <= -a is 1 - e^((c - a) / 2) (1 +
// a/2): at most 1 - e^((epsilon - a - b) / 2), the delta of one coordinate that moves by a + b. Negative
// epsilon follows by the mirror, more coordinates two by two. Discrete noise: the same sums at the points t
// (D - 2 k), between which both deltas are linear in e^epsilon, give 1 - r^k (1 + k (1 - r) / (1 + r))
// against 1 - r^k.
#pragma once

#include <cstdint>
#include <vector>

namespace discreet {

struct BoundedLoss {
  struct Atom {
    double loss, mass;  // under P
  };
  double largest = 0;       // E > 0
  std::vector<Atom> atoms;  // losses descending; where there are any, the first is at E
  double spacing = 0;       // every atom is at E minus a multiple of it; 0 without atoms
  double density = 0;       // c

  // Arguments as in the list above, all above 0, categories at least 2 (asserted).
  static BoundedLoss laplace(double distance_over_scale);
  static BoundedLoss discrete_laplace(double scale, int64_t distance);
  static BoundedLoss randomized_response(double epsilon, int64_t categories);
  static BoundedLoss bounded_range(double epsilon);
  // t is the one whose Renyi divergence of this order, above 1, is the largest.
  static BoundedLoss two_outcomes(double epsilon, double order);
};

// Upper bound on the Renyi divergence of the pair at an order above 1; never more than E or order E^2 / 2,
// the bounds of every pure mechanism (Bun and Steinke 2016, Proposition 1.4).
double renyi_bounded_loss(const BoundedLoss& pair, double order);

// Upper bound on the Renyi divergence of a mechanism whose loss between neighbours varies by at most
// `epsilon`, at an order above 1: the largest over the pairs of two outcomes named above. It is less than
// that of bounded_range, which dominates them all at once; never more than order epsilon^2 / 8 (Cesar and
// Rogers 2021).
double renyi_bounded_range(double epsilon, double order);

}  // namespace discreet
