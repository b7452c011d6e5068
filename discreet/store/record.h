// What the ledger knows of a data set and of a run, computed from its entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/accounting/filter.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"

namespace discreet {

// The most that all runs on a data set may cost together (admission.h). Costs under another relation, or of
// another unit of privacy, cannot be added, so runs under others are refused.
struct Cap {
  double epsilon = 0, delta = 0;
  Relation relation = Relation::kAddOrRemoveOne;
  std::string unit;
  PrivacyFilter filter;  // fixed with the cap
  int64_t entry = 0;     // its number in the ledger
  bool closed = false;   // charges were lost since it was set (an older ledger put back): it admits nothing
};

// "add-or-remove-one, unit row": what a cost is a cost of.
std::string terms(Relation relation, const std::string& unit);

struct RunRecord {
  std::string id, dataset, name;
  int64_t entry = 0;              // the number of its reservation in the ledger
  std::string status;             // "reserved", "settled" or "given-up"
  double epsilon = 0, delta = 0;  // reserved
  Relation relation = Relation::kAddOrRemoveOne;
  std::string unit;                       // "row", or "column NAME"
  bool closes_cap = false;                // admitted by its own certificate: no other run shares its caps
  int64_t statistics_attempts = 0;        // each was paid for, also those whose result was lost
  int64_t planned_steps = 0;              // 0 until the training plan is set
  int64_t charged_steps = 0;              // at least as many as were released
  Json statistics_event, training_event;  // null until charged
  double settled_epsilon = 0, settled_delta = 0;
  // Given up before a training plan was set: what the statistics that were charged cost. Empty: all of it.
  std::optional<double> released_epsilon, released_delta;
  bool charges_lost = false;  // ended by an older ledger put back, in which it was under way: counts in full
  std::string certificate_sha256;  // once settled
  std::string started, ended;      // UTC; ended is "" while reserved

  bool anything_charged() const { return statistics_attempts > 0 || charged_steps > 0 || charges_lost; }
  // What the run counts by itself: the whole reservation, unless it was settled (the certificate's numbers)
  // or given up before anything was charged (nothing) or before it could train (its statistics).
  double counted_epsilon() const;
  double counted_delta() const;
  bool counts() const { return status != "given-up" || anything_charged(); }
  Json to_json() const;
};

struct DatasetRecord {
  std::string id;
  std::string name;                // the owner's latest label
  std::vector<std::string> names;  // every label, the first one first
  std::vector<Cap> caps;           // all that hold, the latest last; of one relation and unit
  bool cap_raised_after_runs = false;
  bool cap_set_after_runs = false;  // the first one
  // Entries of the ledger are lost (an older copy was put back), and with them perhaps charges and runs.
  bool charges_lost = false;
  std::vector<RunRecord> runs;  // oldest first

  struct Spending {
    double epsilon = 0, delta = 0;
  };
  // What the caps come to: the least epsilon and the least delta. Empty without a cap.
  std::optional<Spending> cap() const;
  bool cap_closed() const;  // charges were lost since it was set: no run is admitted until it is set anew
  // Basic composition: epsilons and deltas of the runs add up, also where each run was chosen after seeing
  // the earlier ones (Rogers, Roth, Ullman and Vadhan 2016, section 3). Usually far above what the caps
  // count. Empty where runs of different relations or units count, which cannot be added.
  std::optional<Spending> spent() const;
  Json to_json() const;
};

}  // namespace discreet
