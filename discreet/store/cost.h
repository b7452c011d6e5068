// What the charges of one run cost, recomputed by the ledger from their events, whatever the caller believes.
#pragma once

#include "discreet/accounting/event.h"
#include "discreet/store/record.h"

namespace discreet {

// What was charged must be covered by what was reserved: the RDP of everything that the run may release, at
// the reserved delta. A certificate that adds up its phases is never below this. kBudgetExhausted.
void check_covered(const RunRecord& run, const Event& everything);

// The smallest share s of the reservation that covers the statistics which were charged, all attempts
// together: they are (s epsilon, s delta)-private by their Renyi divergence, however the run divided its
// budget. 1 where no smaller share is shown to be enough.
double share_of_statistics(const RunRecord& run);

}  // namespace discreet
