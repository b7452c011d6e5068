// Renyi divergence of the Poisson-sampled Gaussian mechanism with a certified error, at any real order.
#pragma once

#include "discreet/accounting/relation.h"

namespace discreet {

double renyi_sampled_gaussian(double sample_rate, double noise_multiplier, double order, Relation relation);

}  // namespace discreet
