// discreet train: from a job and private data to a package, an owner's page and a settled ledger.
//
// The order is fixed: the data's structure is checked; the whole budget is reserved; statistics are charged,
// drawn, stored and then used; the training plan is fixed and charged step by step before each release; the
// package appears whole; the ledger is settled. Killed anywhere, `resume` goes on: what was charged stays
// charged, nothing is released twice, and no noise is drawn again.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>

#include "discreet/accounting/plan.h"
#include "discreet/base/json.h"
#include "discreet/job/job.h"

namespace discreet {

struct TrainResult {
  std::filesystem::path package, owner_page;
  double epsilon = 0, delta = 0;
  std::string relation, unit;
  bool is_private = true;
  int64_t steps = 0, steps_lost = 0;

  Json to_json() const;
};

// Throws Error of every kind; kInterrupted where a person stopped it and it can be resumed.
TrainResult train(const TrainJob& job);

// What --dry-run shows: the plan as far as it follows from the job alone. Reads no data. What waits for a
// private count is empty.
Plan plan_of(const TrainJob& job);
void print_plan(const TrainJob& job, const Plan& plan, std::ostream& out);

}  // namespace discreet
