#include "discreet/dp/bounded_rows.h"

#include <cmath>
#include <string>
#include <unordered_map>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"

namespace discreet {

std::vector<double> bounded_rows(std::span<const double> values, std::span<const int64_t> units,
                                 int64_t max_rows_per_unit, RandomStream& random) {
  if (!units.empty() && units.size() != values.size())
    throw Error(ErrorKind::kInvalidArgument,
                "units must be empty or name the unit of every row: " + std::to_string(values.size()) +
                    " rows, " + std::to_string(units.size()) + " units");
  if (values.size() > static_cast<size_t>(kMostRows))
    throw Error(ErrorKind::kInvalidArgument, "values: at most 2^32 rows are allowed");
  std::vector<double> used;
  // Reservoir sampling in each unit: its rows so far, and where in `used` those are that are kept.
  struct Unit {
    uint64_t seen = 0;
    std::vector<size_t> kept;
  };
  std::unordered_map<int64_t, Unit> reservoirs;
  for (size_t row = 0; row < values.size(); ++row) {
    if (std::isnan(values[row])) continue;
    if (!units.empty()) {
      Unit& unit = reservoirs[units[row]];
      if (++unit.seen > static_cast<uint64_t>(max_rows_per_unit)) {
        const uint64_t place = uniform_below(random, unit.seen);
        if (place < unit.kept.size()) used[unit.kept[place]] = values[row];
        continue;
      }
      unit.kept.push_back(used.size());
    }
    used.push_back(values[row]);
  }
  return used;
}

void check_bounds(const char* what, double lower, double upper, int64_t max_rows_per_unit) {
  const std::string name(what);
  if (!std::isfinite(lower) || !std::isfinite(upper) || !std::isfinite(upper - lower) ||
      !((upper - lower) / 2 > 0))
    throw Error(ErrorKind::kInvalidArgument, name + ": lower and upper must be finite, lower below upper");
  if (max_rows_per_unit < 1 || max_rows_per_unit > kMostRowsPerUnit)
    throw Error(ErrorKind::kInvalidArgument,
                name + ": max_rows_per_unit must be from 1 to " + std::to_string(kMostRowsPerUnit));
}

}  // namespace discreet
