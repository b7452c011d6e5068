// epsilon and delta of a plan by its privacy loss distribution: certified bounds from both sides (Zhu, Dong,
// Wang 2022; Koskela, Jälkö, Honkela 2020; Doroshenko and others 2022).
//
// Valid for a plan that is fixed before it starts. Where later runs are chosen after seeing the results of
// earlier ones, sums of such epsilons are no budget; add shares, or use Renyi divergences (rdp.h).
//
// Which events are supported under which relation: docs/accounting.md. Each release is taken by its
// dominating pair (loss_pair.h, bounded_loss.h), and their losses are added up: plans of Gaussians by their
// transform (inverted_loss.h), others on grids (composed_loss.h); unsampled Gaussians alone have a closed
// form (Balle and Wang 2018, Theorem 8). epsilon_delta events are added by basic composition, as in rdp.h.
// Bounds are meant to be within 1e-3 (relative; absolute below epsilon 1) and where they are not they still
// hold.
//
// The lower bound says how little is given away: neighbouring data sets attain it. They attain every pair but
// that of the exponential mechanism, which is the worst at each epsilon by itself; with one in the plan the
// lower bound takes two outcomes that are attained, the upper bound is at most that of rdp.h, and the two are
// farther apart. epsilon_delta and the threshold of thresholded_selection count in upper bounds only.
#pragma once

#include <memory>
#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"

namespace discreet {

struct PldBounds {
  double lower = 0, upper = 0;
};

// Aimed at between the bounds, relative; absolute below epsilon 1.
constexpr double kPldWidth = 8e-4;

// All of one plan's curve. Answers share their compositions: a point near earlier ones costs next to nothing.
class PldCurve {
 public:
  // kUnsupported for an event that is.
  PldCurve(const Event& event, Relation relation);
  PldCurve(PldCurve&&) noexcept;
  ~PldCurve();

  // kInvalidArgument for a delta outside (0, 1), or not above the sum of the deltas of epsilon_delta and
  // thresholded_selection events; kUnsupported for a delta below 1e-30, and where the plan is too large for
  // the transform.
  PldBounds epsilon(double delta);

  // At epsilon >= 0; the same errors.
  PldBounds delta(double epsilon);

  // Upper bound on the share of the true cases that an attacker finds who tells two neighbouring data sets
  // apart by everything that was released, and calls the false ones true with probability
  // false_positive_rate in [0, 1], whichever of the two data sets is the true case: the least over epsilon of
  //   delta(epsilon) + e^epsilon f  and  1 - e^-epsilon (1 - delta(epsilon) - f)
  // (what (epsilon, delta) means for tests: Wasserman and Zhou 2010; for every point of the curve).
  double true_positive_rate(double false_positive_rate);

 private:
  class Answers;
  std::unique_ptr<Answers> answers_;
};

// One point of the curve; errors as above.
PldBounds pld_epsilon(const Event& event, Relation relation, double delta);
PldBounds pld_delta(const Event& event, Relation relation, double epsilon);

// The attacker's true positive rates at these false positive rates; errors as above.
std::vector<double> attacker_tradeoff(const Event& event, Relation relation,
                                      const std::vector<double>& false_positive_rates);

}  // namespace discreet
