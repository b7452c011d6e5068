#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "discreet/accounting/turning_sums.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "discreet/accounting/turning_sums.h"

// Compiled once for each kind of vectors; the processor's best is chosen when the program runs.
HWY_BEFORE_NAMESPACE();
namespace discreet {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kMostLanes = 8;
constexpr size_t kLap = 64;    // turns that are multiplied up before they are taken from a lap's start
constexpr size_t kBatch = 64;  // vectors that are added up before their sum is added to the others

// Adds 4 vectors of points to the sums, real and imaginary, one vector of each for every n.
HWY_ATTR void add_points(const double* angle, const double* weight, size_t count, double* sums) {
  const hn::CappedTag<double, kMostLanes> d;
  using Vector = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d), points = 4 * lanes;
  HWY_ALIGN double re[4 * kMostLanes], im[4 * kMostLanes];
  const auto load = [&](Vector& v0, Vector& v1, Vector& v2, Vector& v3, const double* from) HWY_ATTR {
    v0 = hn::Load(d, from);
    v1 = hn::Load(d, from + lanes);
    v2 = hn::Load(d, from + 2 * lanes);
    v3 = hn::Load(d, from + 3 * lanes);
  };
  const auto turn_by = [](Vector& r, Vector& i, Vector turn_r, Vector turn_i) HWY_ATTR {
    const Vector now = hn::NegMulAdd(i, turn_i, hn::Mul(r, turn_r));
    i = hn::MulAdd(r, turn_i, hn::Mul(i, turn_r));
    r = now;
  };
  Vector tr0, tr1, tr2, tr3, ti0, ti1, ti2, ti3, lr0, lr1, lr2, lr3, li0, li1, li2, li3;
  const auto turns = [&](double times) {
    for (size_t i = 0; i < points; ++i) {
      re[i] = std::cos(times * angle[i]);
      im[i] = std::sin(times * angle[i]);
    }
  };
  turns(1);
  load(tr0, tr1, tr2, tr3, re);
  load(ti0, ti1, ti2, ti3, im);
  Vector sr0, sr1, sr2, sr3, si0, si1, si2, si3;  // where the lap starts
  load(sr0, sr1, sr2, sr3, weight);
  si0 = si1 = si2 = si3 = hn::Zero(d);
  if (count > kLap) {
    turns(kLap);
    load(lr0, lr1, lr2, lr3, re);
    load(li0, li1, li2, li3, im);
  } else {
    lr0 = lr1 = lr2 = lr3 = li0 = li1 = li2 = li3 = hn::Zero(d);
  }
  for (size_t n = 0; n < count; n += kLap) {
    Vector r0 = sr0, r1 = sr1, r2 = sr2, r3 = sr3, i0 = si0, i1 = si1, i2 = si2, i3 = si3;
    for (size_t k = n; k < std::min(n + kLap, count); ++k) {
      turn_by(r0, i0, tr0, ti0);
      turn_by(r1, i1, tr1, ti1);
      turn_by(r2, i2, tr2, ti2);
      turn_by(r3, i3, tr3, ti3);
      double* real = sums + 2 * k * lanes;
      double* imaginary = real + lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, real), hn::Add(hn::Add(r0, r1), hn::Add(r2, r3))), d, real);
      hn::StoreU(hn::Add(hn::LoadU(d, imaginary), hn::Add(hn::Add(i0, i1), hn::Add(i2, i3))), d, imaginary);
    }
    turn_by(sr0, si0, lr0, li0);
    turn_by(sr1, si1, lr1, li1);
    turn_by(sr2, si2, lr2, li2);
    turn_by(sr3, si3, lr3, li3);
  }
}

HWY_ATTR void turning_sums_by_vectors(const std::vector<double>& angles, const std::vector<double>& weights,
                                      std::vector<std::complex<double>>& result) {
  const hn::CappedTag<double, kMostLanes> d;
  const size_t lanes = hn::Lanes(d), points = 4 * lanes, count = result.size();
  HWY_ALIGN double angle[4 * kMostLanes], weight[4 * kMostLanes];
  std::vector<double> sums(2 * count * lanes, 0.0), batch = sums;
  const auto add_batch = [&] {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += batch[i];
    std::fill(batch.begin(), batch.end(), 0.0);
  };
  for (size_t first = 0; first < angles.size(); first += points) {
    if (first > 0 && first % (kBatch * points) == 0) add_batch();
    for (size_t i = 0; i < points; ++i) {
      angle[i] = first + i < angles.size() ? angles[first + i] : 0;
      weight[i] = first + i < angles.size() ? weights[first + i] : 0;
    }
    add_points(angle, weight, count, batch.data());
  }
  add_batch();
  for (size_t n = 0; n < count; ++n) {
    const double* real = sums.data() + 2 * n * lanes;
    result[n] = {hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, real))),
                 hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, real + lanes)))};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace discreet
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace discreet {

HWY_EXPORT(turning_sums_by_vectors);

std::vector<std::complex<double>> turning_sums(const std::vector<double>& angles,
                                               const std::vector<double>& weights, size_t count) {
  std::vector<std::complex<double>> result(count);
  if (count > 0) HWY_DYNAMIC_DISPATCH(turning_sums_by_vectors)(angles, weights, result);
  return result;
}

double turning_error(size_t points, size_t count) {
  // A turn rounds by 4 units, its own roundings included. A point's term is added up in its vector, with at
  // most 64 vectors of its batch, with at most points / 256 + 1 batches, and with 8 lanes.
  const auto turns = static_cast<double>(std::min(count, size_t{64}) + count / 64);
  const auto additions = static_cast<double>(std::min(points / 4, size_t{64}) + points / 256 + 17);
  return (6 * turns + additions) * 0x1p-53;
}

}  // namespace discreet
#endif  // HWY_ONCE
