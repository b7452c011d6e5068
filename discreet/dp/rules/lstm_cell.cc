#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/dp/rules/lstm_cell.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "discreet/dp/rules/lstm_cell.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> sigmoid(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.f);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(x)))));
}

template <class D>
HWY_INLINE hn::Vec<D> hyperbolic_tangent(D d, hn::Vec<D> x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
}

template <class D>
HWY_INLINE void step_at(D d, int64_t k, int64_t hidden, float* gates, const float* before, float* cell) {
  const auto gate = [&](int64_t which) HWY_ATTR { return hn::LoadU(d, gates + which * hidden + k); };
  const auto i = sigmoid(d, gate(0)), f = sigmoid(d, gate(1));
  const auto g = hyperbolic_tangent(d, gate(2)), o = sigmoid(d, gate(3));
  hn::StoreU(i, d, gates + k);
  hn::StoreU(f, d, gates + hidden + k);
  hn::StoreU(g, d, gates + 2 * hidden + k);
  hn::StoreU(o, d, gates + 3 * hidden + k);
  hn::StoreU(hn::MulAdd(f, hn::LoadU(d, before + k), hn::Mul(i, g)), d, cell + k);
}

template <class D>
HWY_INLINE void step_back_at(D d, int64_t k, int64_t hidden, float* gates, const float* before,
                             const float* cell, const float* dh, float* dc) {
  const auto one = hn::Set(d, 1.f);
  const auto gate = [&](int64_t which) HWY_ATTR { return hn::LoadU(d, gates + which * hidden + k); };
  const auto i = gate(0), f = gate(1), g = gate(2), o = gate(3);
  const auto squashed = hyperbolic_tangent(d, hn::LoadU(d, cell + k)), flowing = hn::LoadU(d, dh + k);
  const auto slope = [&](hn::Vec<D> s) HWY_ATTR { return hn::Mul(s, hn::Sub(one, s)); };
  const auto total =
      hn::MulAdd(hn::Mul(flowing, o), hn::NegMulAdd(squashed, squashed, one), hn::LoadU(d, dc + k));
  hn::StoreU(hn::Mul(hn::Mul(total, g), slope(i)), d, gates + k);
  hn::StoreU(hn::Mul(hn::Mul(total, hn::LoadU(d, before + k)), slope(f)), d, gates + hidden + k);
  hn::StoreU(hn::Mul(hn::Mul(total, i), hn::NegMulAdd(g, g, one)), d, gates + 2 * hidden + k);
  hn::StoreU(hn::Mul(hn::Mul(flowing, squashed), slope(o)), d, gates + 3 * hidden + k);
  hn::StoreU(hn::Mul(total, f), d, dc + k);
}

void step(int64_t hidden, float* gates, const float* before, float* cell) {
  const hn::CappedTag<float, 16> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t k = 0;
  for (; k + lanes <= hidden; k += lanes) step_at(d, k, hidden, gates, before, cell);
  for (; k < hidden; ++k) step_at(one, k, hidden, gates, before, cell);
}

void step_back(int64_t hidden, float* gates, const float* before, const float* cell, const float* dh,
               float* dc) {
  const hn::CappedTag<float, 16> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t k = 0;
  for (; k + lanes <= hidden; k += lanes) step_back_at(d, k, hidden, gates, before, cell, dh, dc);
  for (; k < hidden; ++k) step_back_at(one, k, hidden, gates, before, cell, dh, dc);
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(step);
HWY_EXPORT(step_back);

void lstm_step(int64_t hidden, float* gates, const float* before, float* cell) {
  HWY_DYNAMIC_DISPATCH(step)(hidden, gates, before, cell);
}

void lstm_step_back(int64_t hidden, float* gates, const float* before, const float* cell, const float* dh,
                    float* dc) {
  HWY_DYNAMIC_DISPATCH(step_back)(hidden, gates, before, cell, dh, dc);
}

}  // namespace discreet
#endif
