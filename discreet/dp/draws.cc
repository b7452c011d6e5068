#include "discreet/dp/draws.h"

#include <algorithm>
#include <numeric>

#include "discreet/base/error.h"
#include "discreet/base/sampling.h"

namespace discreet {

PoissonDraws::PoissonDraws(int64_t rows, const std::vector<int64_t>& units) : rows_(rows) {
  if (!units.empty() && static_cast<int64_t>(units.size()) != rows)
    throw Error(ErrorKind::kInvalidArgument, "units must name the unit of each row: one entry a row");
  std::iota(rows_.begin(), rows_.end(), int64_t{0});
  if (!units.empty())
    std::stable_sort(rows_.begin(), rows_.end(), [&](int64_t a, int64_t b) { return units[a] < units[b]; });
  for (int64_t i = 0; i < rows; ++i)
    if (i == 0 || units.empty() || units[rows_[i]] != units[rows_[i - 1]]) starts_.push_back(i);
  starts_.push_back(rows);
}

PoissonDraws PoissonDraws::share(int64_t index, int64_t parts) const {
  PoissonDraws part;
  for (int64_t unit = index; unit + 1 < static_cast<int64_t>(starts_.size()); unit += parts) {
    part.starts_.push_back(static_cast<int64_t>(part.rows_.size()));
    part.rows_.insert(part.rows_.end(), rows_.begin() + starts_[unit], rows_.begin() + starts_[unit + 1]);
  }
  part.starts_.push_back(static_cast<int64_t>(part.rows_.size()));
  return part;
}

std::vector<DrawPiece> PoissonDraws::draw(RandomStream& random, double sample_rate, int64_t pieces) const {
  const int64_t all = static_cast<int64_t>(starts_.size()) - 1;
  const std::vector<int64_t> drawn = poisson_sample(random, all, sample_rate);
  const int64_t count = static_cast<int64_t>(drawn.size());
  std::vector<DrawPiece> result(pieces);
  for (int64_t piece = 0; piece < pieces; ++piece) {
    DrawPiece& part = result[piece];
    for (int64_t i = count * piece / pieces; i < count * (piece + 1) / pieces; ++i) {
      part.unit_starts.push_back(static_cast<int64_t>(part.rows.size()));
      part.rows.insert(part.rows.end(), rows_.begin() + starts_[drawn[i]],
                       rows_.begin() + starts_[drawn[i] + 1]);
    }
  }
  return result;
}

}  // namespace discreet
