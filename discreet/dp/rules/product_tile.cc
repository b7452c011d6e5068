#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/dp/rules/product_tile.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <utility>

#include "discreet/dp/rules/product_tile.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. The sums of a
// tile stay in registers: 6 x 4 vectors of the 32 that AVX-512 has, 6 x 2 of 16.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

constexpr size_t kMostVectors = HWY_MAX_BYTES >= 64 ? 4 : 2;

template <size_t kVectors, size_t... kColumn, size_t... kPlace>
HWY_INLINE void multiply(std::index_sequence<kColumn...>, std::index_sequence<kPlace...>, const float* left,
                         const float* right, int64_t t, bool add, float* product) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  Vector sums[sizeof...(kPlace)];  // row by row
  if (add) {
    ((sums[kPlace] = hn::LoadU(d, product + kPlace * lanes)), ...);
  } else {
    ((sums[kPlace] = hn::Zero(d)), ...);
  }
  for (; t > 0; --t, left += kTileRows, right += kVectors * lanes) {
    const Vector row[kVectors] = {hn::LoadU(d, right + kColumn * lanes)...};
    ((sums[kPlace] = hn::MulAdd(hn::Set(d, left[kPlace / kVectors]), row[kPlace % kVectors], sums[kPlace])),
     ...);
  }
  ((hn::StoreU(sums[kPlace], d, product + kPlace * lanes)), ...);
}

template <size_t kVectors>
HWY_INLINE void multiply_vectors(const float* left, const float* right, int64_t t, bool add, float* product) {
  multiply<kVectors>(std::make_index_sequence<kVectors>(), std::make_index_sequence<kTileRows * kVectors>(),
                     left, right, t, add, product);
}

void multiply_tile(const float* left, const float* right, int64_t t, int64_t columns, bool add,
                   float* product) {
  switch (static_cast<size_t>(columns) / hn::Lanes(Floats())) {
    case 1: return multiply_vectors<1>(left, right, t, add, product);
    case 2: return multiply_vectors<2>(left, right, t, add, product);
    case 3: return multiply_vectors<3>(left, right, t, add, product);
    default: return multiply_vectors<4>(left, right, t, add, product);
  }
}

double squares(const float* product, int64_t count) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> floats;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x = hn::PromoteTo(d, hn::LoadU(floats, product + i));
    const auto y = hn::PromoteTo(d, hn::LoadU(floats, product + i + lanes));
    even = hn::MulAdd(x, x, even);
    odd = hn::MulAdd(y, y, odd);
  }
  for (; i < count; i += lanes) {
    const auto x = hn::PromoteTo(d, hn::LoadU(floats, product + i));
    even = hn::MulAdd(x, x, even);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
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

TileColumns tile_columns() {
  return HWY_DYNAMIC_DISPATCH(columns_of_tile)();
}

void multiply_tile(const float* left, const float* right, int64_t t, int64_t columns, bool add,
                   float* product) {
  HWY_DYNAMIC_DISPATCH(multiply_tile)(left, right, t, columns, add, product);
}

double tile_squares(const float* product, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(squares)(product, count);
}

}  // namespace discreet
#endif
