// Whether there are so few records that the private statistics will probably tell nothing, and what to
// declare instead: said to the owner before anything is charged. The words do not name their number, for
// standard error is often kept as a log.
#pragma once

#include <optional>
#include <string>

#include "discreet/data/open.h"
#include "discreet/data/schema.h"
#include "discreet/dp/noisy_counts.h"
#include "discreet/job/job.h"

namespace discreet {

// The share of the job's budget that statistics have, as noise: half of the share's delta pays for the
// selection of classes, half for the noise.
StatisticsBudget statistics_budget(const TrainJob& job, double share);

// What a run has to learn about its target from noisy counts, and stops without.
enum class OpenTarget {
  kNothing,  // declared
  kClasses,  // names that occur, found by a threshold
  kLabels,   // which of a fixed list of labels occur
  kRange,    // of a number
};
OpenTarget open_target(const TargetSchema& target);

// The schema that declares it: {"target": {"name": "income", "classes": ["...", "..."]}}.
std::string declaration(const TargetSchema& target);

// 247 -> "250": two digits, so that a message does not tell a count.
std::string about(double records);

// Two equal classes would not safely pass, or the range of that many numbers could not be told. `records`:
// units in training.
bool probably_too_few(const CountMechanism& mechanism, OpenTarget open, double records);
std::string too_few_words(double epsilon, const std::string& declaration);

// The warning about data that was opened to be looked at, for a job with these settings; empty where there
// are enough.
std::optional<std::string> too_few_records(const TrainJob& job, const OpenedData& data);
// The same from the declared number of records alone, where there is one: only what is too few in any case.
std::optional<std::string> too_few_records(const TrainJob& job);

}  // namespace discreet
