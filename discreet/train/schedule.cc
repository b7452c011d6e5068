#include "discreet/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr Schedule kSchedules[] = {
    {"constant", [](double) { return 1.0; }},
    {"linear", [](double done) { return 1.0 - done; }},
    {"cosine", [](double done) { return 0.5 * (1.0 + std::cos(std::numbers::pi * done)); }},
    {"warm-up", [](double done) { return std::min(1.0, 0.1 + 9.0 * done); }},
};

}  // namespace

std::span<const Schedule> schedules() {
  return kSchedules;
}

const Schedule& find_schedule(std::string_view name) {
  std::string allowed;
  for (const Schedule& schedule : kSchedules) {
    if (schedule.name == name) return schedule;
    allowed += (allowed.empty() ? "" : ", ") + std::string(schedule.name);
  }
  throw Error(ErrorKind::kInvalidArgument,
              "schedule: allowed are " + allowed + ", not '" + std::string(name) + "'");
}

}  // namespace discreet
