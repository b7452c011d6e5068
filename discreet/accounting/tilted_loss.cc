#include "discreet/accounting/tilted_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "discreet/accounting/turning_sums.h"

namespace discreet {
namespace {

using Direction = LossPair::Direction;

constexpr double kReach = 9.5;    // standard deviations beyond the means of the tilted mixture
constexpr double kExponent = 40;  // the rule's relative error is about e^-40
constexpr double kRounding = 0x1p-53;
constexpr size_t kBatch = 256;  // of terms that are added up before their sum is added to the others

// Where to begin and end: beyond, the integrand falls at least as e^(-kReach |t - end|).
struct Range {
  double begin = -kReach, end = 0;
};

constexpr double kDepth = 7;  // of erfc: widths

// Beyond a cut the integrand is concave in its logarithm, where the cut is narrow enough: the second
// derivatives are at most (1 + tilt) shift^2 / 4 of the mixtures, and of erfc((t - at) / width) at most -4 /
// pi / width^2 (its hazard's slope, 4 / pi at 0, grows: Sampford 1953).
bool is_concave_beyond(const LossPair& pair, double tilt, const OutcomeCut& cut) {
  return (1 + tilt) * pair.shift() * pair.shift() * cut.width * cut.width < 5;
}

// So from where it falls fast enough it goes on to.
double end_beyond(const LossPair& pair, double tilt, const OutcomeCut& cut, double least) {
  const auto slope = [&](double t) {
    const LossPair::Hits hits = pair.hits(t);
    return -t + pair.shift() * ((1 + tilt) * hits.up + tilt * hits.down) -
           2 * (t - cut.at) / (cut.width * cut.width);
  };
  double end = std::max(least, cut.at + kDepth * cut.width);
  while (slope(end) > -kReach) end += cut.width;
  return end;
}

// d ln(integrand) / dt is -t and between 0 and shift (1 + tilt, tilt or 1 + 2 tilt) more.
Range range_of(const LossPair& pair, double tilt, TiltedLoss::Part part, const OutcomeCut& cut,
               const OutcomeCut& top) {
  Range range;
  switch (pair.direction()) {
    case Direction::kRemove: range.end = (1 + tilt) * pair.shift() + kReach; break;
    case Direction::kReplace: range.end = (1 + 2 * tilt) * pair.shift() + kReach; break;
    case Direction::kAdd: {
      // -t + tilt shift down(t), which falls in t
      double low = 0, high = tilt * pair.shift();
      while (high > low + 0.1) {
        const double middle = (low + high) / 2;
        if (!(middle > low && middle < high)) break;
        (middle < tilt * pair.shift() * pair.hits(middle + kReach).down ? low : high) = middle;
      }
      range.end = high + kReach;
    }
  }
  // Up to `least` the rare part's erfc may still grow; beyond, it adds next to nothing to the slope.
  const double least = part == TiltedLoss::Part::kRare ? cut.at + kDepth * cut.width : range.begin + 1;
  const auto end_at = [&](const OutcomeCut& last) {
    if (last.is_somewhere() && is_concave_beyond(pair, tilt, last))
      range.end = std::min(range.end, end_beyond(pair, tilt, last, least));
  };
  if (part == TiltedLoss::Part::kCommon) end_at(cut);
  if (part == TiltedLoss::Part::kRare) range.end = std::max(range.end, least + kReach);
  // On the way up to the cut: d ln erfc(z) / dz <= -2 z of one, >= -2 of the other below its middle.
  const double slope = 2 * kDepth / cut.width, against = range.end + (top.is_somewhere() ? 2 / top.width : 0);
  if (part == TiltedLoss::Part::kRare && cut.at <= top.at && slope > against + kReach)
    range.begin = std::max(range.begin, std::min(cut.at - kDepth * cut.width, range.end - 1));
  end_at(top);
  return range;
}

// The widest stride with that relative error, over strips of the plane.
double widest_stride(const LossPair& pair, double tilt, double frequency, const OutcomeCut& cut,
                     const OutcomeCut& top) {
  constexpr int kStrips = 24;
  const double turns = pair.direction() == Direction::kReplace ? 2 : 1,
               power = pair.direction() == Direction::kRemove ? 0 : tilt;
  double sharp = 0;
  for (const OutcomeCut& each : {cut, top})
    if (each.is_somewhere()) sharp += 1 / (each.width * each.width);
  const double widest = std::min({0.98 * std::numbers::pi / pair.shift(), 12.0, 8 / std::sqrt(sharp + 1e-9)});
  double best = 0;
  for (int i = 1; i <= kStrips; ++i) {
    const double a = widest * i / kStrips;
    const double growth = a * a * (0.5 + sharp) + turns * frequency * pair.shift() * a -
                          power * std::log(std::cos(pair.shift() * a / 2));
    best = std::max(best, 2 * std::numbers::pi * a / (kExponent + growth));
  }
  return best;
}

}  // namespace

double TiltedLoss::points(const LossPair& pair, double tilt, double most_frequency, Part part,
                          const OutcomeCut& cut, const OutcomeCut& top) {
  if (top.is_somewhere() && !is_concave_beyond(pair, tilt, top))
    return std::numeric_limits<double>::infinity();
  const Range range = range_of(pair, tilt, part, cut, top);
  return (range.end - range.begin) / widest_stride(pair, tilt, most_frequency, cut, top) + 2;
}

TiltedLoss::TiltedLoss(const LossPair& pair, double tilt, double most_frequency, Part part,
                       const OutcomeCut& cut, const OutcomeCut& top) {
  const Range range = range_of(pair, tilt, part, cut, top);
  const double shift = pair.shift();
  const double stride = widest_stride(pair, tilt, most_frequency, cut, top);
  // What the integrand is multiplied by: erfc(z) / 2 each.
  const auto each_z = [&](double t, const auto& use) {
    if (part != Part::kAll) use((part == Part::kRare ? -1 : 1) * (t - cut.at) / cut.width, cut.width);
    if (top.is_somewhere()) use((t - top.at) / top.width, top.width);
  };
  const auto count = static_cast<size_t>((range.end - range.begin) / stride) + 2;
  loss_.resize(count);
  weight_.resize(count);
  double peak = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) * stride + range.begin;
    loss_[i] = pair.loss(t);
    const double log_p = pair.direction() == Direction::kRemove ? loss_[i] : pair.log_p(t);
    weight_[i] = -t * t / 2 + log_p + tilt * loss_[i];
    peak = std::max(peak, weight_[i]);
  }
  double sum = 0, first = 0, batch = 0;
  for (size_t i = 0; i < count; ++i) {
    weight_[i] = std::exp(weight_[i] - peak);
    each_z(static_cast<double>(i) * stride + range.begin,
           [&](double z, double) { weight_[i] *= std::erfc(z) / 2; });
    batch += weight_[i];
    if (i % kBatch == kBatch - 1) sum += std::exchange(batch, 0);
    first += weight_[i] * loss_[i];
  }
  sum += batch;
  mean_ = first / sum;
  log_moment_ = std::log(sum * stride / std::sqrt(2 * std::numbers::pi)) + peak;
  log_rounding_ = (4 + 2 * std::abs(peak) + 2 * std::abs(log_moment_)) * kRounding;

  // Roundings of t, the loss, the exponent; the sums; what the rule leaves out.
  double rounding = 0, by_frequency = 0, before = 0;
  bulk_ = {range.begin, range.end};
  for (size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) * stride + range.begin, at = std::abs(t);
    // Of the logarithms of the mixtures, to a few roundings each, and of their arguments, shift (+-t - shift
    // / 2) of a t that is rounded.
    const LossPair::Hits hits = pair.hits(t);
    const double log_p = pair.log_p(t), logs = std::abs(log_p) + std::abs(loss_[i] - log_p),
                 of_loss = 10 * logs + 6 * shift * (hits.up + hits.down) * (at + shift);
    weight_[i] /= sum;
    rounding += weight_[i] * (4 * t * t + 2 * std::abs(log_p) + (1 + tilt) * of_loss);
    // d ln erfc(z) / dz is at least -2 z - 2 for z > 0, -2 below.
    each_z(t, [&](double z, double width) {
      rounding += weight_[i] * (8 + (2 * std::max(z, 0.0) + 2) * (2 * at / width + std::abs(z)));
    });
    by_frequency += weight_[i] * (of_loss + 4 * std::abs(mean_));
    loss_[i] -= mean_;
    variance_ += weight_[i] * loss_[i] * loss_[i];
    constexpr double kOutside = 1e-3;
    if (before < kOutside) bulk_.first = t;
    if (before < 1 - kOutside) bulk_.second = t + stride;
    before += weight_[i];
  }
  double left_out = (weight_.front() + weight_.back()) / -std::expm1(-kReach * stride);
  const double few = 1e-19 / static_cast<double>(count);
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    if (weight_[i] < few) {
      left_out += weight_[i];
      continue;
    }
    loss_[kept] = loss_[i];
    weight_[kept++] = weight_[i];
  }
  loss_.resize(kept);
  weight_.resize(kept);
  // What is too small for a number may be lost, also what would tell how much is beyond the ends.
  const double too_small = std::numeric_limits<double>::min() / sum *
                           (static_cast<double>(count) + 2 / -std::expm1(-kReach * stride));
  const auto additions = static_cast<double>(std::min(count, kBatch) + count / kBatch);
  error_ =
      (16 + additions + 2 * rounding) * kRounding + 2 * (4 * std::exp(-kExponent) + left_out + too_small);
  if (!(error_ < 0.5)) error_ = std::numeric_limits<double>::infinity();  // more is no bound on a logarithm
  error_by_frequency_ = by_frequency * kRounding;
}

double TiltedLoss::transform_error(double stride, size_t n) const {
  return error_ + turning_error(loss_.size(), n) + stride * static_cast<double>(n) * error_by_frequency_;
}

std::vector<std::complex<double>> TiltedLoss::transform(double stride, size_t count) const {
  std::vector<double> angle(loss_.size());
  for (size_t i = 0; i < angle.size(); ++i) angle[i] = stride * loss_[i];
  return turning_sums(angle, weight_, count);
}

}  // namespace discreet
