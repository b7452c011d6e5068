// Certificate (privacy.json): what a run guarantees, and everything needed to compute it again.
//
// The guarantee is the sum of the phases' epsilons and deltas, each phase counted as often as it was
// attempted: basic composition, valid because every phase's share of the budget is fixed before the data is
// read. Each phase's epsilon follows from its event alone. File format: docs/certificate.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discreet/accounting/accountant.h"
#include "discreet/accounting/clipping_mode.h"
#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/base/json.h"

namespace discreet {

// Whose presence is hidden: one row, or all rows with one value of a column.
struct PrivacyUnit {
  std::string kind = "row";                  // "row" or "column"
  std::optional<std::string> column;         // iff kind is "column"
  std::optional<int64_t> max_rows_per_unit;  // at most so many rows of a unit took part; iff kind is "column"
};

struct Guarantee {
  double epsilon = 0, delta = 0;
  Relation relation = Relation::kAddOrRemoveOne;
  PrivacyUnit unit;
  bool is_private = true;  // "private" in JSON; false: made with a test seed, so nothing is guaranteed
};

struct Phase {
  std::string name;                   // "statistics", "training"
  int64_t attempts = 1;               // how often it was paid for; a result lost in a crash is paid for again
  Event event = Event::composed({});  // of one attempt; of the whole plan for training
  double epsilon = 0, delta = 0;      // of one attempt
  Accountant accountant = Accountant::kRdp;  // whose upper bound epsilon is
  std::optional<double> epsilon_lower;       // by "pld": no accountant could certify less; of one attempt
  // What the event says, in the words of training; present in "training" only.
  std::optional<double> sample_rate, noise_multiplier, max_grad_norm, normaliser;
  std::optional<ClippingMode> clipping;  // empty in a certificate of before there was a choice: flat
  std::optional<int64_t> steps;          // paid for
  std::optional<int64_t> steps_lost;     // of these, lost in crashes and not repeated
};

// How something that depends on the data was obtained.
struct Fact {
  std::string fact;  // "number of records"
  std::string how;   // "declared", "independent" (a fixed rule) or "private" (charged)
  std::string detail;
};

struct Mechanism {
  std::string sampler, clipping, noise, generator, floating_point;
};

struct LedgerReference {
  std::string run;
  std::string head;  // the ledger's hash when this was written; shows whether the ledger was set back since
};

struct Certificate {
  static constexpr int kVersion = 1;

  Guarantee guarantee;
  std::vector<Phase> phases;
  std::vector<Fact> facts;
  Mechanism mechanism;
  std::vector<std::string> not_proven;  // limits, one sentence each
  LedgerReference ledger;               // empty texts without a ledger
  Json software = Json::object();       // name: version

  Json to_json() const;
  // kDataLoss that names the field: missing, unknown, of the wrong type or outside its range; unknown events.
  // kUnsupported for a newer version. Does not recompute anything: check_certificate does.
  static Certificate from_json(const Json& json);
};

// The text of privacy.json.
std::string certificate_text(const Certificate& certificate);
// From that text; kDataLoss also where it is not JSON.
Certificate parse_certificate(const std::string& text);

// What is wrong with the numbers, one line each, empty if all follow from the events: every phase's epsilon,
// the guarantee, and the fields that repeat what the event says.
std::vector<std::string> check_certificate(const Certificate& certificate);

}  // namespace discreet
