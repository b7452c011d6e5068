// epsilon and delta of a plan by its privacy loss distribution: certified bounds from both sides (Zhu, Dong,
// Wang 2022; Koskela, Jälkö, Honkela 2020; Doroshenko and others 2022).
//
// Valid for a plan that is fixed before it starts. Where later runs are chosen after seeing the results of
// earlier ones, sums of such epsilons are no budget; add shares, or use Renyi divergences (rdp.h).
//
//   event \ relation                 add-or-remove-one  zero-out  replace-one
//   gaussian                         yes                yes       yes (sensitivity 2 C)
//   poisson_sampled(gaussian)        yes                yes       yes
//   repeated, composed               where their parts are
//   epsilon_delta                    added (basic composition), as in rdp.h
//   discrete_gaussian                refused (kUnsupported): use rdp
//
// Gaussians alone have a closed form (Balle and Wang 2018, Theorem 8). Every pair of neighbouring data sets
// has one of the pairs of loss_pair.h as its bound, and one of them is attained: the lower bound says how
// little is given away.
#pragma once

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"

namespace discreet {

struct PldBounds {
  double lower = 0, upper = 0;
};

// kInvalidArgument for a delta outside (0, 1), or not above the sum of the deltas of epsilon_delta events;
// kUnsupported as in the table, for a delta below 1e-30, and where the plan is too large for the transform.
PldBounds pld_epsilon(const Event& event, Relation relation, double delta);

// Bounds on delta at epsilon >= 0; the same errors.
PldBounds pld_delta(const Event& event, Relation relation, double epsilon);

}  // namespace discreet
