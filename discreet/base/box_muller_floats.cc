#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/base/box_muller_floats.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <limits>

#include "discreet/base/box_muller.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs. Results
// differ in their last bits between them: the bound covers all.
//
// The bound. The noise is r c and r s, where the float r depends on the radius word alone, and the floats
// c = cos x, s = sin x on the angle word alone. So each is compared with the truth on every word that there
// is, for each kind of vectors: on a part of them in the ordinary tests, on all 2^32 in `make soak`. Parts of
// kFloatError, times r:
//   the radius, relative                                                    2^-22.5
//   sine and cosine, absolute                                               2^-22.1
//   rounding of the product, and of the sum with a float value              2^-24 each
// in all 2^-20.90; kFloatError is 2^-20.83. kFloatFloor: the digits of u beyond 32 move it by at most 2^-33
// from the middle, so r by 2^-33 / (u r), worst at the bounds below: r < 3.9 is u > 2^-10.98 and gives
// 2^-23.98; r > 1/128 gives 2^-26. kFloatFloor, 2^-23.4, also takes half an ulp of the sum's part that is the
// value. The digits of x beyond 31 move it by pi 2^-32: counted in the sine's and cosine's part.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kPairsInGroup>;
using Ints = hn::RebindToSigned<Floats>;
using Vector = hn::Vec<Floats>;

HWY_INLINE Vector all(float x) {
  return hn::Set(Floats(), x);
}

// a + b x + c x^2 + ...
HWY_INLINE Vector polynomial(Vector, float a) {
  return all(a);
}
template <class... More>
HWY_INLINE Vector polynomial(Vector x, float a, More... more) {
  return hn::MulAdd(polynomial(x, more...), x, all(a));
}

// ln(1 + f) for f in [-1/2, 0]: f + f^2 p(f), p minimax by tests/reference/make_polynomials.py; in
// pairs of terms, which shortens the chain of dependent operations.
HWY_INLINE Vector log1p(Vector f) {
  const Vector square = hn::Mul(f, f);
  const auto pair = [&](float a, float b) { return hn::MulAdd(all(b), f, all(a)); };
  const Vector low = hn::MulAdd(pair(-0.25080955f, 0.18685545f), square, pair(-0.500000119f, 0.333312839f));
  const Vector high = hn::MulAdd(hn::MulAdd(all(-1.54894483f), square, pair(-1.55310607f, -2.03485727f)),
                                 square, pair(-0.276816279f, -0.379157513f));
  return hn::MulAdd(hn::MulAdd(high, hn::Mul(square, square), low), square, f);
}

// ln u for u = 0.word...: read as a signed integer, the word is 2^32 u below one half and 2^32 (u - 1) above,
// so that both ends keep their relative precision.
HWY_INLINE Vector log_uniform(hn::Vec<Ints> word) {
  const Floats floats;
  const Ints ints;
  const Vector y = hn::MulAdd(hn::ConvertTo(floats, word), all(0x1p-32f), all(0x1p-33f));
  // u = 2^exponent m, m in [1/2, 1): u below one half has a negative exponent, so that no two terms cancel.
  const auto bits = hn::BitCast(ints, y);
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(ints, 0x3F000000)));
  const Vector m = hn::BitCast(floats, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const auto above_half = hn::Lt(y, hn::Zero(floats));
  const Vector f = hn::IfThenElse(above_half, y, hn::Sub(m, all(1)));
  const Vector powers = hn::IfThenZeroElse(above_half, hn::ConvertTo(floats, exponent));
  return hn::MulAdd(powers, all(0.693147182f), log1p(f));
}

void box_muller(const uint32_t* words, size_t size, double scale, float* noise, float* error) {
  const Floats floats;
  const Ints ints;
  const auto constant = [](double x) { return all(static_cast<float>(x)); };
  const Vector minus_two_variances = constant(-2 * scale * scale);
  const Vector smallest = constant(scale / 128), largest = constant(scale * 3.9);
  const Vector slope = constant(kFloatError), floor = constant(scale * kFloatFloor);
  const Vector infinite = all(std::numeric_limits<float>::infinity());
  for (size_t group = 0; group < size; group += kGroup) {
    for (size_t lane = 0; lane < kPairsInGroup; lane += hn::Lanes(floats)) {
      const size_t first = group + lane, second = first + kPairsInGroup;
      const auto radius_word = hn::Load(ints, reinterpret_cast<const int32_t*>(words + first));
      const auto angle_word = hn::Load(ints, reinterpret_cast<const int32_t*>(words + second));
      const Vector r = hn::Sqrt(hn::Mul(log_uniform(radius_word), minus_two_variances));
      const auto in_range = hn::And(hn::Gt(r, smallest), hn::Lt(r, largest));
      hn::Store(hn::IfThenElse(in_range, hn::MulAdd(r, slope, floor), infinite), floats,
                error + group / 2 + lane);
      // y = x / pi in [-1/2, 1/2); sin and cos minimax in y^2.
      const Vector y = hn::Mul(hn::ConvertTo(floats, angle_word), all(0x1p-32f));
      const Vector square = hn::Mul(y, y);
      const Vector cosine =
          polynomial(square, 1.f, -4.93480206f, 4.05870914f, -1.33521211f, 0.234937564f, -0.0243967157f);
      const Vector sine =
          hn::Mul(y, polynomial(square, 3.1415925f, -5.16770744f, 2.55003858f, -0.598080635f, 0.0772793964f));
      const Vector signed_r = hn::Xor(r, hn::BitCast(floats, hn::ShiftLeft<31>(angle_word)));
      hn::Store(hn::Mul(signed_r, cosine), floats, noise + first);
      hn::Store(hn::Mul(signed_r, sine), floats, noise + second);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(box_muller);

void box_muller_floats(std::span<const uint32_t> words, double scale, std::span<float> noise,
                       std::span<float> error) {
  HWY_DYNAMIC_DISPATCH(box_muller)
  (words.data(), words.size(), scale, noise.data(), error.data());
}

}  // namespace discreet
#endif
