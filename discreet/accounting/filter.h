// PrivacyFilter: a budget (epsilon, delta) for releases each of which may be chosen after seeing the results
// of those before it, and so may the moment to stop.
//
// Fixed beforehand, from (epsilon, delta) alone: a few orders a > 1, a share delta_a of delta for each, and a
// share delta_0 for the deltas of epsilon_delta events, which together are at most delta. The budget of order
// a is the Renyi divergence that converts to exactly (epsilon, delta_a) (Canonne, Kamath, Steinke 2020,
// Proposition 12; rounded down):
//   B_a = epsilon - ln(1 - 1/a) + ln(a delta_a) / (a - 1)
// A release is admitted while, it included, SOME order's sum of divergences is at most B_a, and the sum of
// the deltas of epsilon_delta events is at most delta_0. What a release costs may depend on everything
// released before, not on anything else.
//
// Then everything admitted is (epsilon, delta)-private together. For a fixed order, the releases up to the
// moment tau_a at which the sum would pass B_a have divergence at most B_a (Feldman and Zrnic 2021; Lecuyer
// 2021), so E max(0, 1 - e^(epsilon - L_tau_a)) <= delta_a for their privacy loss L. The releases end at some
// tau at most max tau_a; with tau_a and tau exchanged for the earlier of the two, tau is one of the tau_a, so
//   E max(0, 1 - e^(epsilon - L_tau)) <= sum over a of E max(0, 1 - e^(epsilon - L_tau_a)) <= sum of delta_a.
// This is why delta is divided: with all of delta at each order, the minimum over orders of a running total
// is no filter, because which order ends up the best one depends on the results. An (e, d) event is
// post-processing of a randomised response that tells everything with probability d and is e-private
// otherwise (Kairouz, Oh, Viswanath 2015). It tells everything once before tau with probability at most
// delta_0; given that it never does, the releases are those of e-private ones in its place, which have a
// divergence (rdp.h), and both neighbours' outcomes are weighted by the same 1 - d's, at most 1.
#pragma once

#include <vector>

#include "discreet/accounting/rdp.h"
#include "discreet/base/json.h"

namespace discreet {

class PrivacyFilter {
 public:
  static constexpr size_t kMaxOrders = 8;

  // Chooses orders about the one at which (epsilon, delta) holds most Gaussian releases. epsilon > 0 and
  // finite, delta in [0, 1) (asserted); no release is admitted at delta 0.
  PrivacyFilter(double epsilon, double delta);

  // Orders and shares as they were fixed once: {"orders": [...], "deltas": [...], "events_delta": ...}.
  // kInvalidArgument unless there are 1 to kMaxOrders orders above 1, as many shares, and no more than
  // `delta`.
  PrivacyFilter(double epsilon, double delta, const Json& fixed);
  Json to_json() const;

  const std::vector<double>& orders() const { return orders_; }
  const std::vector<double>& budgets() const {
    return budgets_;
  }                                                      // B_a; an order with a negative one is not used
  double events_delta() const { return events_delta_; }  // delta_0

  // `cost`: of all releases together, at orders().
  bool fits(const RenyiCost& cost) const;
  // The share of the filter that is used: at most 1 exactly where `cost` fits; infinite where nothing can
  // fit.
  double used(const RenyiCost& cost) const;

 private:
  void set_budgets(double epsilon);
  std::vector<double> orders_, deltas_, budgets_;
  double events_delta_ = 0;
};

}  // namespace discreet
