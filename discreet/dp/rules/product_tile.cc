#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/dp/rules/product_tile.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <utility>

#include "discreet/dp/rules/product_tile.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. The sums of a
// tile stay in registers: up to 24 vectors of the 32 that AVX-512 has, 12 of 16. A number of the left factor
// goes to all lanes straight from where it lies.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

constexpr size_t kMostVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;

constexpr size_t rows_of(size_t vectors) {
  constexpr size_t kSums = 6 * kMostVectors;
  const size_t rows = kSums / vectors;
  return rows < kMostTileRows ? rows : kMostTileRows;
}

template <size_t kVectors, size_t... kColumn, size_t... kPlace>
HWY_INLINE void multiply(std::index_sequence<kColumn...>, std::index_sequence<kPlace...>,
                         const TileRuns& left, const int64_t* offsets, const float* right, bool add,
                         float* product) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  Vector sums[sizeof...(kPlace)];  // row by row
  if (add) {
    ((sums[kPlace] = hn::LoadU(d, product + kPlace * lanes)), ...);
  } else {
    ((sums[kPlace] = hn::Zero(d)), ...);
  }
  for (int64_t run = 0; run < left.runs; ++run) {
    const float* from = left.base + left.starts[run];
    for (int64_t i = left.length; i > 0; --i, from += left.step, right += kVectors * lanes) {
      const Vector row[kVectors] = {hn::LoadU(d, right + kColumn * lanes)...};
      ((sums[kPlace] =
            hn::MulAdd(hn::Set(d, from[offsets[kPlace / kVectors]]), row[kPlace % kVectors], sums[kPlace])),
       ...);
    }
  }
  ((hn::StoreU(sums[kPlace], d, product + kPlace * lanes)), ...);
}

template <size_t kVectors>
HWY_INLINE void multiply_vectors(const TileRuns& left, const int64_t* offsets, const float* right, bool add,
                                 float* product) {
  multiply<kVectors>(std::make_index_sequence<kVectors>(),
                     std::make_index_sequence<rows_of(kVectors) * kVectors>(), left, offsets, right, add,
                     product);
}

void multiply_tile(const TileRuns& left, const int64_t* offsets, const float* right, int64_t columns,
                   bool add, float* product) {
  switch (static_cast<size_t>(columns) / hn::Lanes(Floats())) {
    case 1: return multiply_vectors<1>(left, offsets, right, add, product);
    case 2: return multiply_vectors<2>(left, offsets, right, add, product);
#if HWY_MAX_BYTES >= 64
    case 3: return multiply_vectors<3>(left, offsets, right, add, product);
    default: return multiply_vectors<4>(left, offsets, right, add, product);
#endif
  }
}

int64_t rows_of_tile(int64_t columns) {
  return static_cast<int64_t>(rows_of(static_cast<size_t>(columns) / hn::Lanes(Floats())));
}

// Four columns at a time: their lanes interleaved are whole rows of four.
void transpose(const float* from, int64_t stride, int64_t t, int64_t count, int64_t width, float* to) {
  const Floats d;
  const hn::CappedTag<float, 4> quarter;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float rows[4 * hn::MaxLanes(d)];
  int64_t j = 0;
  if (hn::Lanes(quarter) == 4) {
    for (; j + 4 <= count; j += 4) {
      const float* column = from + j * stride;
      int64_t i = 0;
      for (; i + lanes <= t; i += lanes) {
        hn::StoreInterleaved4(hn::LoadU(d, column + i), hn::LoadU(d, column + stride + i),
                              hn::LoadU(d, column + 2 * stride + i), hn::LoadU(d, column + 3 * stride + i), d,
                              rows);
        for (int64_t lane = 0; lane < lanes; ++lane)
          hn::StoreU(hn::Load(quarter, rows + 4 * lane), quarter, to + (i + lane) * width + j);
      }
      for (; i < t; ++i)
        for (int64_t k = 0; k < 4; ++k) to[i * width + j + k] = column[k * stride + i];
    }
  }
  for (int64_t i = 0; i < t; ++i) {
    for (int64_t k = j; k < count; ++k) to[i * width + k] = from[i + k * stride];
    for (int64_t k = count; k < width; ++k) to[i * width + k] = 0;
  }
}

double squares(const float* numbers, int64_t count) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> floats;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x = hn::PromoteTo(d, hn::LoadU(floats, numbers + i));
    const auto y = hn::PromoteTo(d, hn::LoadU(floats, numbers + i + lanes));
    even = hn::MulAdd(x, x, even);
    odd = hn::MulAdd(y, y, odd);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; i < count; ++i) sum += static_cast<double>(numbers[i]) * numbers[i];
  return sum;
}

TileColumns columns_of_tile() {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Floats()));
  return {lanes, lanes * static_cast<int64_t>(kMostVectors)};
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(multiply_tile);
HWY_EXPORT(squares);
HWY_EXPORT(columns_of_tile);
HWY_EXPORT(rows_of_tile);
HWY_EXPORT(transpose);

TileColumns tile_columns() {
  return HWY_DYNAMIC_DISPATCH(columns_of_tile)();
}

int64_t tile_rows(int64_t columns) {
  return HWY_DYNAMIC_DISPATCH(rows_of_tile)(columns);
}

void multiply_tile(const TileRuns& left, const int64_t* offsets, const float* right, int64_t columns,
                   bool add, float* product) {
  HWY_DYNAMIC_DISPATCH(multiply_tile)(left, offsets, right, columns, add, product);
}

void transpose_columns(const float* from, int64_t stride, int64_t t, int64_t count, int64_t width,
                       float* to) {
  HWY_DYNAMIC_DISPATCH(transpose)(from, stride, t, count, width, to);
}

double tile_squares(const float* numbers, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(squares)(numbers, count);
}

}  // namespace discreet
#endif
