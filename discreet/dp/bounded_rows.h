// The rows that a statistic uses: at most max_rows_per_unit of each unit, chosen uniformly at random, so that
// no unit, however many rows it has, moves a sum over rows further than that many rows do.
//
// The choice in one unit does not depend on the other units. So neighbours can be paired with the choices of
// the units that they share being the same; under each pairing their sums differ by what one unit adds, and
// a guarantee that holds for every choice holds for the mixture of choices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "discreet/base/random.h"

namespace discreet {

inline constexpr int64_t kMostRowsPerUnit = 1'000'000;
inline constexpr int64_t kMostRows = int64_t{1} << 32;  // sums of 2^20 a row are exact in int64 and double

// The values of the rows that are used, in no order that matters. A NaN is a missing value: its row is left
// out before the choice. units: an identifier of the unit of each row; empty: every row is a unit.
// kInvalidArgument where units has another size than values, or for more than kMostRows rows.
std::vector<double> bounded_rows(std::span<const double> values, std::span<const int64_t> units,
                                 int64_t max_rows_per_unit, RandomStream& random);

// kInvalidArgument, beginning with `what`, unless lower < upper are finite (their distance too) and
// max_rows_per_unit is in [1, kMostRowsPerUnit].
void check_bounds(const char* what, double lower, double upper, int64_t max_rows_per_unit);

}  // namespace discreet
