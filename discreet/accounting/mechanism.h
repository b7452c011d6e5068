// What both accountants take single mechanisms to be, and what both refuse.
#pragma once

#include "discreet/accounting/bounded_loss.h"
#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"

namespace discreet {

// How far the sums of neighbouring data sets are apart, in units of what one unit adds: 2 under replace-one,
// else 1.
double distance(Relation relation);

// The pair of a laplace, discrete_laplace, randomized_response or exponential_mechanism (asserted).
// kUnsupported for randomized_response under any relation but replace-one: a unit's own answer can be neither
// left out nor empty.
BoundedLoss bounded_loss(const Event& event, Relation relation);

// kUnsupported unless the event of a thresholded_selection adds independent noise to each count: gaussian,
// discrete_gaussian, laplace, discrete_laplace. Then what only one unit counts in is independent of all else,
// and its delta is added.
void check_thresholded_selection(const Event& event);

// kUnsupported unless the event of a poisson_sampled or fixed_size_sampled is a gaussian.
void check_sampled(const Event& event);

}  // namespace discreet
