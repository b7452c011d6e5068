// Renyi divergence of the Poisson-sampled Gaussian mechanism, as an upper bound with a certified error, at
// integer and fractional orders alike.
//
// The pair of output densities that is worst, noise standard deviation s in units of the clip, rate q:
//   add-or-remove-one, zero-out: P = (1-q) N(0) + q N(1), Q = N(0)   (Mironov, Talwar, Zhang 2019, Theorem 4;
//     they also show that this direction is the larger one)
//   replace-one: P = (1-q) N(0) + q N(1), Q = (1-q) N(0) + q N(-1)   (the pair of Lebeda, Regehr,
//     Kamath, Steinke 2024, arXiv:2405.20769)
//
// Why the last is the worst among all contributions u, v of norm at most 1: with N(0) factored out, the
// integral of P^a Q^(1-a) is the mean of F(X, Y) = phi(e^(X - |u|^2/2), e^(Y - |v|^2/2)) for Gaussian X =
// u.Z/s, Y = v.Z/s, phi jointly convex. By Plackett's identity its derivative by Cov(X, Y) is the mean of e^X
// e^Y phi_xy, and phi_xy = a (1-a) q^2 P^(a-1) Q^(-a) < 0; by Var(X) it is half the mean of e^(2X) phi_xx >
// 0. So enlarging |u| and |v| at a fixed product and then lowering the product u.v to -1 only enlarges the
// divergence. What the other units add is common to both and goes by joint quasi-convexity. Both directions
// are equal by symmetry.
//
// With A, B the ratios of P, Q to N(0), b = a - 1 and r = A / B, what is computed is the excess
//   E - 1 = integral of N(0) B g(r),  g(r) = r^a - 1 - a (r - 1) = r expm1(b ln r) - b expm1(ln r) >= 0,
// positive terms only, so that small rates do not cancel; D_a = ln(1 + excess) / (a - 1). The integral is the
// trapezoidal rule. In the strip |Im z| <= w < pi s^2 the integrand is analytic, |A| and |B| are at most
// their real values and |B| at least cos(w / 2s^2) times it, which bounds the error of the whole infinite sum
// by
//   2 M / (e^(2 pi w / h) - 1),  M <= e^(w^2 / 2s^2) (cos(w / 2s^2)^(-b) E + 1 + 2a)
// (Trefethen and Weideman 2014, Theorem 5.1; for Q = N(0) the cosine's factor is 1). Outside [-z s - 1,
// 2a - 1 + z s] the integrand falls faster than a Gaussian from its edge value, which bounds what is cut off;
// stretches inside that a bound on its slope shows to be negligible are skipped and bounded. These bounds,
// and a running bound on rounding, are added to the result.
#pragma once

#include "discreet/accounting/relation.h"

namespace discreet {

// Upper bound on D_order. sample_rate in [0, 1], noise_multiplier > 0, order > 1 (asserted). Never more than
// the closed bounds of convexity, among them the divergence without sampling, order k^2 / (2
// noise_multiplier^2); these are the answer where the integral would take more than 2^16 points.
double renyi_sampled_gaussian(double sample_rate, double noise_multiplier, double order, Relation relation);

}  // namespace discreet
