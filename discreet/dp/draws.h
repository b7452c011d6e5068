// Poisson draws of units, each in one or several disjoint pieces.
//
// One draw belongs to one release: every unit takes part independently with probability sample_rate, whatever
// the data set's true size. A unit's rows are consecutive and in one piece. A draw or a piece may be empty.
#pragma once

#include <cstdint>
#include <vector>

#include "discreet/base/random.h"

namespace discreet {

struct DrawPiece {
  std::vector<int64_t> rows;         // of the data set; empty: the piece has no row
  std::vector<int64_t> unit_starts;  // first position in `rows` of each unit
};

class PoissonDraws {
 public:
  // `units`: an identifier of the unit of each row (any numbers); empty: every row is a unit of its own.
  // kInvalidArgument where units and rows differ in number.
  PoissonDraws(int64_t rows, const std::vector<int64_t>& units);

  std::vector<DrawPiece> draw(RandomStream& random, double sample_rate, int64_t pieces) const;

  // Part `index` of `parts`: every unit, with all its rows, is in exactly one of them.
  PoissonDraws share(int64_t index, int64_t parts) const;

 private:
  PoissonDraws() = default;
  std::vector<int64_t> rows_;    // grouped by unit
  std::vector<int64_t> starts_;  // one more than units
};

}  // namespace discreet
