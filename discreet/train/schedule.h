// Learning-rate schedules: functions of the share of the plan that is done, never of the data or the loss.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace discreet {

struct Schedule {
  std::string_view name;
  // Factor on the learning rate when `done` in [0, 1) of the planned steps are done.
  double (*factor)(double done);
};

// constant, linear (to 0), cosine (to 0), warm-up (linear over the first tenth, then constant).
std::span<const Schedule> schedules();

// Throws Error(kInvalidArgument) naming the allowed schedules.
const Schedule& find_schedule(std::string_view name);

}  // namespace discreet
