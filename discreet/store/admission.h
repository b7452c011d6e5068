// What caps admit. A cap across runs is a privacy filter (accounting/filter.h), because every run may be
// planned after seeing the results of those before it, where privacy-loss certificates of the runs do not
// compose.
//
// A run counts what it may still release or has released: its statistics and its whole training plan while it
// goes on, its statistics and the steps that were charged once it is over; before it has a plan, room for one
// of the size that it reserved. So a run that stops early gives the rest back.
//
// The first run under a cap may have a certificate within the cap and still not fit the filter, which is the
// coarser of the two. It is then admitted by its certificate and closes the cap: no other run shares it, also
// where this one costs less in the end, since that may be its result. A run that charged nothing closes
// nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "discreet/accounting/event.h"
#include "discreet/store/record.h"

namespace discreet {

// Without a cap the total is told on a ladder of filters that were fixed before any run: epsilon 1, 2, 4,
// ..., 128, each with an eighth of this delta. For neighbours and any set S of outcomes at which rung E is
// told, Pr[S] <= e^E Pr'[S] + kLadderDelta / 8, also where runs were planned after seeing it: the proof of
// filter.h with the moment of looking for the end.
inline constexpr double kLadderDelta = 1e-5;
inline constexpr double kLadder[] = {1, 2, 4, 8, 16, 32, 64, 128};

enum class Admission { kRefused, kByFilter, kByCertificate };
// Whether `run`, the last of the data set's runs and only reserved, may start.
Admission admission(const DatasetRecord& dataset);

// Whether all runs of the data set together keep within each cap that `run`, one of them, does not have to
// itself: asked with a charge recorded that is not made yet.
bool within_caps(const DatasetRecord& dataset, const RunRecord& run);

// The least noise multiplier from `noise` on, to within a thousandth, at which `run`, one of the data set's
// runs, keeps within the caps with the plan `plan_at` gives for it; `noise` where none does, up to a million
// times that.
double noise_with_room(DatasetRecord dataset, const RunRecord& run,
                       const std::function<Event(double)>& plan_at, double noise);

// admission() and within_caps() for the ledger, with an Error where the answer is no: kBudgetExhausted, which
// says what is left; kUnsupported for a run, or runs before it, under another relation or unit than the caps.
// `asked`: a run that is not among the data set's yet.
Admission check_admitted(const DatasetRecord& dataset, const RunRecord& asked);
// `run`: one of the data set's, with the charge that is asked for, which `what` names.
void check_within_caps(DatasetRecord dataset, const RunRecord& run, const std::string& what);

// The largest epsilon at which a further run with this delta would be admitted, to about a thousandth; 0 if
// none.
double largest_further_run(const DatasetRecord& dataset, double delta);
// The share of the caps that is used, at least 0; above 1 where a cap was set below what runs had cost,
// infinite where one is closed.
double used_share(const DatasetRecord& dataset);
// The lowest rung of the ladder that covers all runs. Empty where none does, where no run counts, where
// charges were lost, and where runs are of different relations or units.
std::optional<double> together(const DatasetRecord& dataset);

}  // namespace discreet
