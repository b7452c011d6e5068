// epsilon of a tree of events by Renyi differential privacy (Mironov 2017): an upper bound that is true for
// adaptively chosen results and rounded upwards where it is computed.
//
// Which events are supported under which relation: docs/accounting.md. Gaussian, noise multiplier s,
// sensitivity k in {1, 2}: D_a = a k^2 / (2 s^2). The discrete Gaussian has the same bound (Canonne, Kamath,
// Steinke 2020, Theorem 4 and its multivariate form). Poisson-sampled Gaussian: renyi_sampled_gaussian.h;
// fixed sizes: renyi_fixed_size_gaussian.h; pure mechanisms: bounded_loss.h; repeat_and_select:
// renyi_selection.h. Composition adds D_a. To epsilon at order a > 1 (Canonne, Kamath, Steinke 2020,
// Proposition 12):
//   epsilon = D_a + ln(1 - 1/a) - ln(a delta) / (a - 1)
// With K(a) = (a - 1) D_a, convex in a unless something is selected, this is [convex function of a] / (a -
// 1), so it has one minimum, and a bracket widened until the minimum is inside, then golden section, finds
// it. Any order gives a true bound. epsilon = 0 where delta^2 >= 1 - exp(-D_a) (Bretagnolle and Huber 1979;
// D_a bounds the Kullback-Leibler divergence).
//
// epsilon_delta events, and the threshold of thresholded_selection as (0, delta), are added (basic
// composition); the rest gets the delta that is left. This is sound in any adaptive order: an (epsilon,
// delta) release is post-processing of a randomised response made at the start (Kairouz, Oh, Viswanath 2015),
// which leaves two mechanisms to compose.
#pragma once

#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"

namespace discreet {

// Upper bound on epsilon at `delta` in (0, 1). kInvalidArgument for a delta outside, or not above the sum of
// the deltas of epsilon_delta and thresholded_selection events; kUnsupported for what the table of
// docs/accounting.md refuses.
double rdp_epsilon(const Event& event, Relation relation, double delta);

// What adds up over releases, before any conversion: upper bounds on D_a at given orders, rounded up. An
// epsilon_delta event counts its delta apart, and its epsilon e as a divergence of min(e, a e^2 / 2) (Bun and
// Steinke 2016, Proposition 1.4).
struct RenyiCost {
  std::vector<double> divergence;  // one for each order
  double delta = 0;                // of the epsilon_delta events together

  void add(const RenyiCost& other);  // of the same orders (asserted)
};

// Orders above 1. kUnsupported as in the table.
RenyiCost renyi_cost(const Event& event, Relation relation, const std::vector<double>& orders);

}  // namespace discreet
