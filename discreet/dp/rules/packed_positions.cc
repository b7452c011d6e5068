#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/dp/rules/packed_positions.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <utility>

#include "discreet/dp/rules/packed_positions.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. The products
// of some positions with up to three vectors of others stay in registers, more where there are 32 of them.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

constexpr size_t kRows = HWY_MAX_BYTES >= 64 ? 8 : 4;

int64_t lanes() {
  return static_cast<int64_t>(hn::Lanes(Floats()));
}

int64_t width_of(int64_t positions) {
  return (positions + lanes() - 1) / lanes() * lanes();
}

// Four columns of a vector's positions.
void transpose(const float* const* rows, int64_t column, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t k = 0; k < 4; ++k) to[k] = rows[0][column + k];
#else
  const Floats d;
  const hn::Repartition<double, Floats> pairs;
  // Of every fourth position, from `first`, a block of four columns.
  const auto blocks = [&](size_t first) {
    Vector all = hn::LoadDup128(d, rows[first] + column);
    for (size_t i = 4; i < hn::Lanes(d); i += 4)
      all = hn::IfThenElse(hn::FirstN(d, i), all, hn::LoadDup128(d, rows[first + i] + column));
    return all;
  };
  const Vector a = blocks(0), b = blocks(1), c = blocks(2), e = blocks(3);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + step);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * step);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * step);
#endif
}

void pack(const PositionRows& x, int64_t positions, float* packed) {
  constexpr int64_t kLine = 16;  // numbers of a line of the cache
  const int64_t step = lanes();
  const float* rows[hn::MaxLanes(Floats())];
  for (int64_t vector = 0; vector < positions; vector += step) {
    for (int64_t i = 0; i < step; ++i) rows[i] = x.first + std::min(vector + i, positions - 1) * x.step;
    float* to = packed + vector * x.columns;
    int64_t column = 0;
    for (; column + 4 <= x.columns; column += 4) {
      if (column % kLine == 0)  // of the next positions, those of the next sample too: sixteen rows at a time
        for (int64_t i = 0; i < step; ++i)  // are more than a processor foresees
          hwy::Prefetch(x.first + (vector + step + i) * x.step + column);
      transpose(rows, column, to + column * step);
    }
    for (; column < x.columns; ++column)
      for (int64_t i = 0; i < step; ++i) to[column * step + i] = rows[i][column];
  }
}

// For one column: each of kRows positions times each of the vectors.
template <size_t kAcross, size_t... kAt, size_t... kPlace>
HWY_INLINE void add_products(std::index_sequence<kAt...>, std::index_sequence<kPlace...>,
                             const float* const* rows, int64_t column, const float* const* others,
                             Vector* sums) {
  const Floats d;
  const int64_t at = column * static_cast<int64_t>(hn::Lanes(d));
  const Vector other[kAcross] = {hn::LoadU(d, others[kAt] + at)...};
  ((sums[kPlace] = hn::MulAdd(hn::Set(d, rows[kPlace / kAcross][at]), other[kPlace % kAcross], sums[kPlace])),
   ...);
}

// Columns [from, to); the first ones overwrite.
template <size_t kAcross, size_t... kPlace>
HWY_INLINE void multiply_tile(std::index_sequence<kPlace...> place, const float* const* rows,
                              const float* packed, int64_t columns, int64_t from, int64_t to, float* products,
                              int64_t width) {
  const Floats d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const float* others[kAcross];
  for (size_t k = 0; k < kAcross; ++k) others[k] = packed + static_cast<int64_t>(k) * columns * step;
  for (int64_t column = from; column < to;) {
    Vector sums[sizeof...(kPlace)] = {((void)kPlace, hn::Zero(d))...};
    const bool first = column == 0;
    for (const int64_t stop = std::min(column + kPieceColumns, to); column < stop; ++column)
      add_products<kAcross>(std::make_index_sequence<kAcross>(), place, rows, column, others, sums);
    const auto put = [&](size_t i, Vector sum) {
      float* at =
          products + static_cast<int64_t>(i / kAcross) * width + static_cast<int64_t>(i % kAcross) * step;
      hn::StoreU(first ? sum : hn::Add(hn::LoadU(d, at), sum), d, at);
    };
    (put(kPlace, sums[kPlace]), ...);
  }
}

template <size_t kAcross>
void multiply_across(const float* const* rows, const float* packed, int64_t columns, int64_t from, int64_t to,
                     float* products, int64_t width) {
  multiply_tile<kAcross>(std::make_index_sequence<kRows * kAcross>(), rows, packed, columns, from, to,
                         products, width);
}

void multiply(const PositionRows& x, const float* packed, int64_t width, int64_t begin, int64_t end,
              float* products) {
  constexpr auto kHigh = static_cast<int64_t>(kRows), kWide = int64_t{3};
  constexpr int64_t kNear = 4 * kPieceColumns;  // of three vectors these stay in the nearest cache
  const int64_t step = lanes();
  for (int64_t from = 0; from < x.columns; from += kNear) {
    const int64_t to = std::min(from + kNear, x.columns);
    for (int64_t j = 0; j < end; j += kWide * step) {
      for (int64_t i = begin; i < end; i += kHigh) {
        const int64_t last = std::min(i + kHigh, end);
        if (last <= j) continue;  // all above the diagonal
        const float* rows[kRows];
        for (int64_t k = 0; k < kHigh; ++k) {
          const int64_t row = std::min(i + k, end - 1);
          rows[k] = packed + row / step * x.columns * step + row % step;
        }
        const float* others = packed + j * x.columns;
        float* tile = products + (i - begin) * width + j;
        const int64_t across = std::min(kWide, (last - j + step - 1) / step);
        if (across == 1) multiply_across<1>(rows, others, x.columns, from, to, tile, width);
        if (across == 2) multiply_across<2>(rows, others, x.columns, from, to, tile, width);
        if (across == 3) multiply_across<3>(rows, others, x.columns, from, to, tile, width);
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(multiply);
HWY_EXPORT(pack);
HWY_EXPORT(width_of);

int64_t packed_width(int64_t positions) {
  return HWY_DYNAMIC_DISPATCH(width_of)(positions);
}

void pack_positions(const PositionRows& rows, int64_t positions, float* packed) {
  HWY_DYNAMIC_DISPATCH(pack)(rows, positions, packed);
}

void multiply_packed(const PositionRows& rows, const float* packed, int64_t width, int64_t begin, int64_t end,
                     float* products) {
  HWY_DYNAMIC_DISPATCH(multiply)(rows, packed, width, begin, end, products);
}

int64_t packed_roundings(int64_t columns) {
  // A term: its product, where that rounds apart, the sum of its piece, that of the pieces.
  return 1 + std::min(columns, kPieceColumns) + (columns - 1) / kPieceColumns;
}

}  // namespace discreet
#endif
