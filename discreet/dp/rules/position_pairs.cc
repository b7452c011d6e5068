#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/dp/rules/position_pairs.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "discreet/dp/rules/position_pairs.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. The sums of
// four positions with three others stay in registers, with six where there are 32 of them.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

constexpr size_t kRows = 4;
constexpr size_t kOthers = HWY_MAX_BYTES >= 64 ? 6 : 3;
constexpr int64_t kPieceVectors = 16;  // summed by themselves: it rounds less often

// For one place in all rows: the vectors of kRows + kOthers of them.
template <size_t... kOther, size_t... kPlace>
HWY_INLINE void add_products(std::index_sequence<kOther...>, std::index_sequence<kPlace...>,
                             const float* const* rows, const float* const* others, int64_t at, Vector* sums) {
  const Floats d;
  const Vector other[kOthers] = {hn::LoadU(d, others[kOther] + at)...};
  ((sums[kPlace] =
        hn::MulAdd(hn::LoadU(d, rows[kPlace / kOthers] + at), other[kPlace % kOthers], sums[kPlace])),
   ...);
}

// The columns behind the last whole vector, with zeros behind them.
struct Ends {
  explicit Ends(int64_t lanes, int64_t columns) : begin(columns / lanes * lanes), count(columns - begin) {}

  const float* of(const float* row, size_t index) {
    float* to = numbers + index * hn::MaxLanes(Floats());
    std::copy_n(row + begin, count, to);
    std::fill(to + count, to + hn::Lanes(Floats()), 0.f);
    return to;
  }

  int64_t begin, count;
  HWY_ALIGN float numbers[(kRows + kOthers) * hn::MaxLanes(Floats())];
};

template <size_t... kOther, size_t... kPlace>
HWY_INLINE void multiply_tile(std::index_sequence<kOther...> other, std::index_sequence<kPlace...> place,
                              const float* const* rows, const float* const* others, int64_t columns,
                              float* products, int64_t width) {
  const Floats d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float of_pieces[sizeof...(kPlace) * hn::MaxLanes(d)];
  Vector sums[sizeof...(kPlace)] = {((void)kPlace, hn::Zero(d))...};
  Ends ends(lanes, columns);
  int64_t at = 0;
  for (bool first = true; ends.begin - at > kPieceVectors * lanes; first = false) {
    for (const int64_t stop = at + kPieceVectors * lanes; at < stop; at += lanes)
      add_products(other, place, rows, others, at, sums);
    for (size_t i = 0; i < sizeof...(kPlace); ++i) {
      float* sum = of_pieces + i * lanes;
      hn::Store(first ? sums[i] : hn::Add(hn::Load(d, sum), sums[i]), d, sum);
    }
    ((sums[kPlace] = hn::Zero(d)), ...);
  }
  const bool pieces = at > 0;
  for (; at < ends.begin; at += lanes) add_products(other, place, rows, others, at, sums);
  if (ends.count > 0) {
    const float *row_ends[kRows], *other_ends[kOthers];
    for (size_t i = 0; i < kRows; ++i) row_ends[i] = ends.of(rows[i], i);
    for (size_t i = 0; i < kOthers; ++i) other_ends[i] = ends.of(others[i], kRows + i);
    add_products(other, place, row_ends, other_ends, 0, sums);
  }
  for (size_t i = 0; i < sizeof...(kPlace); ++i) {
    const Vector sum = pieces ? hn::Add(hn::Load(d, of_pieces + i * lanes), sums[i]) : sums[i];
    products[static_cast<int64_t>(i / kOthers) * width + static_cast<int64_t>(i % kOthers)] =
        hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

int64_t width_of(int64_t positions) {
  constexpr auto kEach = static_cast<int64_t>(kOthers);
  return (positions + kEach - 1) / kEach * kEach;
}

void multiply(const PositionRows& x, int64_t begin, int64_t end, float* products) {
  const auto row = [&](int64_t position) { return x.first + std::min(position, end - 1) * x.step; };
  const int64_t width = width_of(end);
  for (int64_t j = 0; j < end; j += kOthers) {  // the others stay in the nearest cache
    const float* others[kOthers];
    for (size_t k = 0; k < kOthers; ++k) others[k] = row(j + static_cast<int64_t>(k));
    for (int64_t i = begin; i < end; i += kRows) {
      if (i + static_cast<int64_t>(kRows) <= j) continue;  // all above the diagonal
      const float* rows[kRows];
      for (size_t k = 0; k < kRows; ++k) rows[k] = row(i + static_cast<int64_t>(k));
      multiply_tile(std::make_index_sequence<kOthers>(), std::make_index_sequence<kRows * kOthers>(), rows,
                    others, x.columns, products + (i - begin) * width + j, width);
    }
  }
}

int64_t roundings(int64_t columns) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  const int64_t vectors = (columns + lanes - 1) / lanes;
  // A term: its product, where that rounds apart, the sum of its piece (of one vector more in the last), that
  // of the pieces, that of the lanes.
  return 1 + std::min(vectors, kPieceVectors + 1) + vectors / kPieceVectors + lanes;
}

PairSums sums_of(const float* left, const float* right, const float* left_norm, const float* right_norm,
                 int64_t count) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> floats;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  auto products = hn::Zero(d);
  auto of_left = hn::Zero(floats), of_right = of_left;
  const auto add = [&](hn::Vec<decltype(floats)> l, hn::Vec<decltype(floats)> r, int64_t j) {
    products = hn::MulAdd(hn::PromoteTo(d, l), hn::PromoteTo(d, r), products);
    of_left = hn::MulAdd(hn::LoadU(floats, left_norm + j), hn::Abs(r), of_left);
    of_right = hn::MulAdd(hn::LoadU(floats, right_norm + j), hn::Abs(l), of_right);
  };
  int64_t j = 0;
  for (; j + step <= count; j += step) add(hn::LoadU(floats, left + j), hn::LoadU(floats, right + j), j);
  if (j < count) {
    const auto below = hn::FirstN(floats, static_cast<size_t>(count - j));
    add(hn::IfThenElseZero(below, hn::LoadU(floats, left + j)),
        hn::IfThenElseZero(below, hn::LoadU(floats, right + j)), j);
  }
  return {hn::GetLane(hn::SumOfLanes(d, products)), hn::GetLane(hn::SumOfLanes(floats, of_left)),
          hn::GetLane(hn::SumOfLanes(floats, of_right))};
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(multiply);
HWY_EXPORT(width_of);
HWY_EXPORT(roundings);
HWY_EXPORT(sums_of);

int64_t panel_width(int64_t positions) {
  return HWY_DYNAMIC_DISPATCH(width_of)(positions);
}

void multiply_positions(const PositionRows& rows, int64_t begin, int64_t end, float* products) {
  HWY_DYNAMIC_DISPATCH(multiply)(rows, begin, end, products);
}

int64_t position_roundings(int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(roundings)(columns);
}

double sum_error(int64_t roundings) {
  const double n = static_cast<double>(roundings) * 0x1p-24;
  return n <= 0.25 ? n / (1 - n) : std::numeric_limits<double>::infinity();
}

PairSums sum_pairs(const float* left, const float* right, const float* left_norm, const float* right_norm,
                   int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sums_of)(left, right, left_norm, right_norm, count);
}

}  // namespace discreet
#endif
