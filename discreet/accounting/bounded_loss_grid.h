// The losses of pure mechanisms on an evenly spaced grid (loss_grid.h), in closed form.
#pragma once

#include "discreet/accounting/bounded_loss.h"
#include "discreet/accounting/loss_grid.h"

namespace discreet {

// A point of either grid is at the greatest loss, so a step that divides pair.spacing puts every atom on a
// point, where neither grid moves it.

// Upper bound: what lies between two points is split so that P's and Q's mass are kept, as in upper_grid of
// loss_grid.h.
LossGrid upper_grid(const BoundedLoss& pair, double step);

// Lower bound: the density merged cell by cell around the points, where the merged loss is the cell's middle;
// at the two ends of the density, and for atoms between points, the loss is lowered to a point.
LossGrid lower_grid(const BoundedLoss& pair, double step);

}  // namespace discreet
