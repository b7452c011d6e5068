// Renyi divergence, under replace-one, of a Gaussian release on a batch of a fixed size that is drawn without
// replacement from a public number of units (Wang, Balle, Kasiviswanathan 2019, "Subsampled Renyi
// differential privacy and analytical moments accountant").
//
// rate q = batch_size / sample_size, noise multiplier s; without sampling e(a) = a 4 / (2 s^2), because a
// replaced unit moves the sum by up to 2 C. The least of three bounds on K(a) = (a - 1) D_a:
//   their Theorem 9 for whole a >= 2 (its e(infinity) is infinite here),
//     ln(1 + q^2 C(a, 2) min(4 (e^e(2) - 1), 2 e^e(2)) + sum over j = 3..a of q^j C(a, j) 2 e^((j - 1)
//     e(j))), and for other a the chord between whole ones, K being convex (their Corollary 10);
//   ln(1 - q + q e^((a - 1) e(a))): with the rest of the batch fixed, both outputs are mixtures that share
//   the
//     part of weight 1 - q in which the unit is not drawn, and e^K is jointly convex;
//   (a - 1) e(a), for the same reason.
#pragma once

namespace discreet {

// Upper bound on D_order. sample_rate in [0, 1], noise_multiplier > 0, order > 1 (asserted).
double renyi_fixed_size_gaussian(double sample_rate, double noise_multiplier, double order);

}  // namespace discreet
