// The certificate of a finished run, from the objects that ran it.
#pragma once

#include <cstdint>
#include <optional>

#include "discreet/job/job.h"
#include "discreet/package/certificate.h"
#include "discreet/train/training_plan.h"

namespace discreet {

struct CertifiedRun {
  const TrainJob& job;
  const PreparedData& data;
  const TrainingPlan& training;
  std::optional<Event> statistics;  // one attempt; empty where everything was declared
  double statistics_delta = 0;      // of one attempt
  int64_t attempts = 0, steps_lost = 0;
  std::string ledger_run, ledger_head;
};

Certificate certify(const CertifiedRun& run);

}  // namespace discreet
