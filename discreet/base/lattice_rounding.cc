#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/base/lattice_rounding.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <limits>

#include "discreet/base/box_muller.h"
#include "discreet/base/lattice_rounding.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. For floats
// the sum below is rounded by at most 2^-24 of the noise: box_muller.h counts that in kFloatError.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const float* from) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(float)) {
    return hn::Load(d, from);
  } else {
    return hn::PromoteTo(d, hn::Load(hn::Rebind<float, D>(), from));
  }
}

template <class T>
HWY_INLINE size_t round_pairs(T* values, size_t size, const float* noise, const float* error, T step,
                              uint32_t* undecided) {
  const hn::CappedTag<T, kPairsInGroup> d;
  using Vector = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  const Vector steps = hn::Set(d, step), inverse = hn::Set(d, 1 / step), zero = hn::Zero(d);
  const Vector half = hn::Set(d, T(0.5)), too_big = hn::Set(d, sizeof(T) == 8 ? T(0x1p52) : T(0x1p22));
  size_t found = 0;
  for (size_t group = 0; group < size; group += kGroup) {
    for (size_t lane = 0; lane < kPairsInGroup; lane += lanes) {
      const size_t pair = group / 2 + lane;
      const Vector bound = load_floats(d, error + pair);
      const auto round = [&](size_t at, Vector value, Vector& magnitude, Vector& distance) HWY_ATTR {
        const Vector scaled = hn::Mul(value, inverse), whole = hn::Round(scaled);
        const Vector sum = hn::Add(hn::Sub(scaled, whole), load_floats(d, noise + at));
        const Vector nearest = hn::Round(sum);
        magnitude = hn::Abs(scaled);
        distance = hn::Abs(hn::Sub(sum, nearest));
        // + 0 makes a negative zero positive: the sign of a zero would tell on which side the sum was.
        return hn::MulAdd(hn::Add(whole, nearest), steps, zero);
      };
      const size_t at = group + lane, other = at + kPairsInGroup;
      const Vector first = hn::LoadU(d, values + at), second = hn::LoadU(d, values + other);
      Vector magnitude0, magnitude1, distance0, distance1;
      const Vector new_first = round(at, first, magnitude0, distance0);
      const Vector new_second = round(other, second, magnitude1, distance1);
      const auto certain = hn::And(hn::Lt(hn::Add(hn::Max(distance0, distance1), bound), half),
                                   hn::Lt(hn::Max(magnitude0, magnitude1), too_big));
      hn::StoreU(hn::IfThenElse(certain, new_first, first), d, values + at);
      hn::StoreU(hn::IfThenElse(certain, new_second, second), d, values + other);
      if (HWY_LIKELY(hn::AllTrue(d, certain))) continue;
      uint8_t bits[8] = {};
      hn::StoreMaskBits(d, certain, bits);
      for (size_t i = 0; i < lanes; ++i) {
        if (!(bits[i / 8] >> (i % 8) & 1)) undecided[found++] = static_cast<uint32_t>(pair + i);
      }
    }
  }
  return found;
}

size_t round_doubles(double* values, size_t size, const float* noise, const float* error, double step,
                     uint32_t* undecided) {
  return round_pairs(values, size, noise, error, step, undecided);
}

size_t round_floats(float* values, size_t size, const float* noise, const float* error, float step,
                    uint32_t* undecided) {
  return round_pairs(values, size, noise, error, step, undecided);
}

template <class T>
HWY_INLINE bool finite(const T* values, size_t size) {
  const hn::ScalableTag<T> d;
  const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  const size_t lanes = hn::Lanes(d);
  auto good = hn::Eq(infinity, infinity);
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    good = hn::And(good, hn::Lt(hn::Abs(hn::LoadU(d, values + i)), infinity));
  }
  bool rest = true;
  for (; i < size; ++i) rest &= values[i] - values[i] == 0;
  return rest && hn::AllTrue(d, good);
}

bool finite_doubles(const double* values, size_t size) {
  return finite(values, size);
}

bool finite_floats(const float* values, size_t size) {
  return finite(values, size);
}

using Doubles = hn::CappedTag<double, 8>;
using HalfFloats = hn::Rebind<float, Doubles>;

HWY_INLINE hn::Vec<Doubles> load_doubles(const double* from) {
  return hn::LoadU(Doubles(), from);
}
HWY_INLINE hn::Vec<Doubles> load_doubles(const float* from) {
  return hn::PromoteTo(Doubles(), hn::LoadU(HalfFloats(), from));
}

template <class T>
HWY_INLINE void times(const T* values, size_t size, double factor, float* multiplied) {
  const auto by = hn::Set(Doubles(), factor);
  const size_t lanes = hn::Lanes(Doubles());
  size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    hn::StoreU(hn::DemoteTo(HalfFloats(), hn::Mul(load_doubles(values + i), by)), HalfFloats(),
               multiplied + i);
  for (; i < size; ++i) multiplied[i] = static_cast<float>(values[i] * factor);
}

void multiply_floats(const float* values, size_t size, double factor, float* multiplied) {
  times(values, size, factor, multiplied);
}

void multiply_doubles(const double* values, size_t size, double factor, float* multiplied) {
  times(values, size, factor, multiplied);
}

void sums_of_floats(const float* one, const float* other, size_t size, double* sums) {
  const size_t lanes = hn::Lanes(Doubles());
  size_t i = 0;
  for (; i + lanes <= size; i += lanes)
    hn::StoreU(hn::Add(load_doubles(one + i), load_doubles(other + i)), Doubles(), sums + i);
  for (; i < size; ++i) sums[i] = static_cast<double>(one[i]) + other[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(round_doubles);
HWY_EXPORT(round_floats);
HWY_EXPORT(finite_doubles);
HWY_EXPORT(finite_floats);
HWY_EXPORT(multiply_floats);
HWY_EXPORT(multiply_doubles);
HWY_EXPORT(sums_of_floats);

size_t round_to_lattice(std::span<double> values, std::span<const float> noise, std::span<const float> error,
                        double step, std::span<uint32_t> undecided) {
  return HWY_DYNAMIC_DISPATCH(round_doubles)(values.data(), values.size(), noise.data(), error.data(), step,
                                             undecided.data());
}

size_t round_to_lattice(std::span<float> values, std::span<const float> noise, std::span<const float> error,
                        double step, std::span<uint32_t> undecided) {
  return HWY_DYNAMIC_DISPATCH(round_floats)(values.data(), values.size(), noise.data(), error.data(),
                                            static_cast<float>(step), undecided.data());
}

bool all_finite(std::span<const double> values) {
  return HWY_DYNAMIC_DISPATCH(finite_doubles)(values.data(), values.size());
}

bool all_finite(std::span<const float> values) {
  return HWY_DYNAMIC_DISPATCH(finite_floats)(values.data(), values.size());
}

void multiply(std::span<const float> values, double factor, std::span<float> multiplied) {
  HWY_DYNAMIC_DISPATCH(multiply_floats)(values.data(), values.size(), factor, multiplied.data());
}

void multiply(std::span<const double> values, double factor, std::span<float> multiplied) {
  HWY_DYNAMIC_DISPATCH(multiply_doubles)(values.data(), values.size(), factor, multiplied.data());
}

void add_floats(std::span<const float> one, std::span<const float> other, std::span<double> sums) {
  HWY_DYNAMIC_DISPATCH(sums_of_floats)(one.data(), other.data(), sums.size(), sums.data());
}

}  // namespace discreet
#endif
