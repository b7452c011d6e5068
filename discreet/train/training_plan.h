// The training of a run, fixed before its first step and never after: what is sampled, clipped, noised and
// how the optimizer uses it. Made from the job, the facts and a preset; the same facts always give the same
// plan.
#pragma once

#include <cstdint>
#include <string>

#include "discreet/accounting/event.h"
#include "discreet/accounting/plan.h"
#include "discreet/base/json.h"
#include "discreet/job/job.h"
#include "discreet/model/shape.h"
#include "discreet/train/private_data.h"

namespace discreet {

struct TrainingPlan {
  Plan plan;  // complete: sample rate, noise multiplier, steps
  Json architecture;
  std::string model;  // the preset's name, or the architecture file's
  ClippingMode clipping = ClippingMode::kFlat;
  double max_grad_norm = 0;  // with adaptive clipping: of the first step
  double learning_rate = 0, momentum = 0;
  std::string optimizer, schedule;
  double averaging = 0;  // share of the last steps whose weights are averaged

  // What the whole training releases.
  Event event() const;
};

// Shares of the job's budget; share 0: every fact is declared and training has it all.
double statistics_share(const TrainJob& job, DataKind kind);

// `attempts`: how often the statistics were paid for (train.cc refuses an attempt that would leave less than
// half of the budget for training); what attempts beyond the first cost is taken from the training share.
TrainingPlan make_training_plan(const TrainJob& job, const PreparedData& data, double share,
                                int64_t attempts);

// The training settings of the job's model for records of shape `input`.
Json model_settings(const TrainJob& job, const Shape& input, int64_t outputs, double sample_size,
                    double epsilon);

// Refuses, before anything is charged, a model that is unknown (with the nearest name), unreadable, or for
// another kind of data.
void check_model(const TrainJob& job, DataKind kind);

}  // namespace discreet
