// A privacy loss on an evenly spaced grid: what is composed by Fourier transform.
//
// The loss L = ln(dP/dQ) of a pair, under P. delta(epsilon) = E max(0, 1 - e^(epsilon - L)) grows with every
// mass and every loss, also after composition; so a grid whose masses and losses are at least (at most) the
// pair's gives an upper (a lower) bound on delta at every epsilon and after any number of compositions.
#pragma once

#include <vector>

#include "discreet/accounting/loss_pair.h"

namespace discreet {

struct LossGrid {
  double first = 0;          // loss of mass[0]
  double step = 0;           // loss of mass[i]: first + i * step
  std::vector<double> mass;  // under P; with `infinite` they add up to about 1
  double infinite = 0;       // of an unbounded loss
};

// Upper bound ("connect the dots", Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022): the mass between two
// points of the grid is split so that both P's and Q's mass are kept, which spreads it. What P has of losses
// above the tail's becomes infinite, what it has below is moved up: each at most about `tail`.
LossGrid upper_grid(const LossPair& pair, double step, double tail);

// Lower bound: outcomes are merged, which is post-processing, cell after cell, each so wide that the merged
// loss ln(P's mass / Q's mass) is a point of the grid. Points are met to about `leeway`, by which the whole
// grid is then moved down.
LossGrid lower_grid(const LossPair& pair, double step, double tail, double leeway = 0);

}  // namespace discreet
