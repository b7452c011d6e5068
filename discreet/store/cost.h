// What the charges of one run cost, recomputed by the ledger from their events, whatever the caller believes.
#pragma once

#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/rdp.h"
#include "discreet/store/record.h"

namespace discreet {

// A part of a run's (epsilon, delta).
struct BudgetShare {
  double epsilon = 0, delta = 0;
};

// What was charged must be covered by what was reserved; kBudgetExhausted.
// Statistics: all attempts together, by their Renyi divergence at the reserved delta.
void check_statistics_covered(const RunRecord& run);
// The training plan by its share, by privacy loss or Renyi divergence, whichever is less; all attempts at the
// statistics by the rest, by their Renyi divergence. A certificate that adds up its phases is never below
// this.
void check_covered(const RunRecord& run, const BudgetShare& training);

// The smallest share s of the reservation that covers the statistics which were charged, all attempts
// together: they are (s epsilon, s delta)-private by their Renyi divergence, however the run divided its
// budget. 1 where no smaller share is shown to be enough.
double share_of_statistics(const RunRecord& run);

// What the run counts at these orders (admission.h): released or still to be released.
RenyiCost cost_at(const RunRecord& run, const std::vector<double>& orders);

}  // namespace discreet
