#include "discreet/accounting/composed_loss.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <kissfft/kissfft.hh>
#include <limits>

#include "discreet/base/error.h"

namespace discreet {
namespace {

using Complex = std::complex<double>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-53;
constexpr double kWindowTail = 1e-13;  // of the tilted sum, outside the window on either side

constexpr int64_t kMaxSize = int64_t{1} << 22;  // of the transform: 200 MB

[[noreturn]] void out_of_reach() {
  throw Error(ErrorKind::kUnsupported,
              "the plan is out of the pld accountant's reach (too much loss or too many steps); use rdp");
}

// ln E e^(tilt L) of one grid, with its first two derivatives by the tilt.
struct Cumulants {
  double value = 0, mean = 0, variance = 0;
};

Cumulants cumulants(const LossGrid& grid, double tilt) {
  const double factor = std::exp(tilt * grid.step);
  double scale = 1, sum = 0, first = 0, second = 0, log_scale = 0;
  double index = 0;
  for (const double mass : grid.mass) {
    const double weight = mass * scale;
    sum += weight;
    first += weight * index;
    second += weight * index * index;
    scale *= factor;
    if (scale > 1e100) {  // one that vanishes need not be kept: its terms are below 1e-200 of the first ones
      const double down = 1 / scale;
      sum *= down;
      first *= down;
      second *= down;
      log_scale += std::log(scale);
      scale = 1;
    }
    index += 1;
  }
  Cumulants result;
  const double mean_index = first / sum;
  result.value = std::log(sum) + log_scale + tilt * grid.first;
  result.mean = grid.first + grid.step * mean_index;
  result.variance = std::max(0.0, second / sum - mean_index * mean_index) * grid.step * grid.step;
  return result;
}

using Grid = LossGrid LossPart::*;

Cumulants of_sum(const std::vector<LossPart>& parts, Grid grid, double tilt) {
  Cumulants sum;
  for (const LossPart& part : parts) {
    const Cumulants one = cumulants(part.*grid, tilt);
    sum.value += part.count * one.value;
    sum.mean += part.count * one.mean;
    sum.variance += part.count * one.variance;
  }
  return sum;
}

// The tilt that is best for Chernoff's bound on epsilon at this delta: the least (K(tilt) - ln delta) / tilt,
// where tilt K'(tilt) - K(tilt) = -ln delta. The left side grows with the tilt.
double best_tilt(const std::vector<LossPart>& parts, double delta) {
  const double goal = -std::log(delta);
  const auto excess = [&](double tilt) {
    const Cumulants sum = of_sum(parts, &LossPart::upper, tilt);
    return tilt * sum.mean - sum.value - goal;
  };
  double low = 0, high = 1;
  const double most = std::min(1e5, 2 / parts[0].upper.step);  // what the grid resolves
  while (excess(high) < 0 && high < most) {
    low = high;
    high *= 4;
  }
  for (int round = 0; round < 12 && high - low > 0.02 * high; ++round) {
    const double middle = low == 0 ? high / 4 : std::sqrt(low * high);
    (excess(middle) < 0 ? low : high) = middle;
  }
  return std::min(high, most);
}

struct Window {
  int64_t begin = 0;                      // index of the sum, counted from the sum of the grids' first losses
  double first = 0;                       // loss at begin
  double log_moment = 0;                  // K(tilt)
  double tail_below = 0, tail_above = 0;  // bounds on the tilted sum's mass outside
};

// Least (greatest) w with Pr[tilted sum beyond w] <= kWindowTail by Chernoff's bound.
double edge(const std::vector<LossPart>& parts, Grid grid, double tilt, const Cumulants& sum, double sign) {
  const double deviation = std::sqrt(std::max(sum.variance, 1e-300));
  double best = kInfinity;
  for (const double share : {2.0, 4.0, 6.0, 9.0, 14.0}) {
    const double extra = std::min(share / deviation, 2 / (parts[0].*grid).step);
    const double moment = of_sum(parts, grid, tilt + sign * extra).value - sum.value;
    best = std::min(best, (moment - std::log(kWindowTail)) / extra);
  }
  return sign * best;
}

int64_t fast_size(int64_t least) {
  int64_t best = 1;
  while (best < least) best *= 2;
  for (const int64_t odd : {3, 5, 9, 15}) {
    int64_t size = 4 * odd;
    while (size < least) size *= 2;
    best = std::min(best, size);
  }
  return best;
}

// Tilted masses of one step, wrapped into a circle of this size and added to `out` as its real or imaginary
// part; they add up to 1.
void put_tilted(const LossGrid& grid, double tilt, const Cumulants& cumulant, bool imaginary,
                std::vector<Complex>& out) {
  const auto size = out.size();
  auto* numbers = reinterpret_cast<double*>(out.data()) + (imaginary ? 1 : 0);
  size_t at = 0;
  const double per_step = tilt * grid.step, start = tilt * grid.first - cumulant.value;
  double scale = 0;
  const double factor = std::exp(per_step);
  for (size_t i = 0; i < grid.mass.size(); ++i) {
    if (i % 32 == 0) scale = std::exp(start + static_cast<double>(i) * per_step);
    numbers[2 * at] += grid.mass[i] * scale;
    scale *= factor;
    if (++at == size) at = 0;
  }
}

double norm(const std::vector<Complex>& values) {
  double sum = 0;
  for (const Complex& value : values) sum += std::norm(value);
  return std::sqrt(sum);
}

Complex power(Complex base, double exponent) {
  Complex result = 1;
  for (auto left = static_cast<uint64_t>(exponent); left > 0; left >>= 1) {
    if (left & 1)
      result = Complex(result.real() * base.real() - result.imag() * base.imag(),
                       result.real() * base.imag() + result.imag() * base.real());
    base = Complex(base.real() * base.real() - base.imag() * base.imag(), 2 * base.real() * base.imag());
  }
  return result;
}

}  // namespace

ComposedLoss::ComposedLoss(const std::vector<LossPart>& parts, double delta) {
  const double tilt = best_tilt(parts, delta), step = parts[0].upper.step;
  Window windows[2];
  const Grid grids[2] = {&LossPart::upper, &LossPart::lower};
  int64_t least_size = 64;
  for (int side = 0; side < 2; ++side) {
    const Cumulants sum = of_sum(parts, grids[side], tilt);
    const double low = edge(parts, grids[side], tilt, sum, -1), high = edge(parts, grids[side], tilt, sum, 1);
    double origin = 0;
    for (const LossPart& part : parts) origin += part.count * (part.*grids[side]).first;
    Window& window = windows[side];
    if (!((low - origin) / step < 0x1p53 && (high - low) / step < static_cast<double>(kMaxSize)))
      out_of_reach();
    window.begin = std::max<int64_t>(0, static_cast<int64_t>(std::floor((low - origin) / step)));
    window.first = origin + static_cast<double>(window.begin) * step;
    window.log_moment = sum.value;
    window.tail_below = window.tail_above = 2 * kWindowTail;  // twice: the moments are rounded
    least_size = std::max(least_size, static_cast<int64_t>(std::ceil((high - window.first) / step)) + 2);
  }
  const int64_t size = fast_size(least_size);
  const auto n = static_cast<size_t>(size);
  const double log2_size = std::log2(static_cast<double>(size));
  // Two real sequences, the upper and the lower grid, as one complex one.
  const kissfft<double> forward(n, false);
  std::vector<Complex> in(n), out(n);
  std::vector<Complex> upper(n / 2 + 1, 1), lower(n / 2 + 1, 1);
  double error = 0;  // of either spectrum, Euclidean norm, over sqrt(n)
  for (const LossPart& part : parts) {
    std::fill(in.begin(), in.end(), Complex());
    put_tilted(part.upper, tilt, cumulants(part.upper, tilt), false, in);
    put_tilted(part.lower, tilt, cumulants(part.lower, tilt), true, in);
    forward.transform(in.data(), out.data());
    // The masses themselves are rounded by the recurrence and the exponent of the tilt.
    const double input_error =
        kUnit * (80 + 4 * std::abs(tilt) *
                          (std::abs(part.upper.first) + step * static_cast<double>(part.upper.mass.size())));
    error += part.count * norm(in) * (8 * kUnit * log2_size + input_error) + 8 * kUnit * part.count;
    for (size_t k = 0; k <= n / 2; ++k) {
      const Complex a = out[k], b = std::conj(out[(n - k) % n]);
      upper[k] *= power((a + b) * 0.5, part.count);
      lower[k] *= power(Complex(0, -0.5) * (a - b), part.count);
    }
  }
  // The inverse transform as a forward one of the conjugate.
  for (size_t k = 0; k <= n / 2; ++k) {
    const Complex u = upper[k], l = lower[k];
    in[k] = std::conj(u + Complex(0, 1) * l);
    if (k > 0 && k < n - k) in[n - k] = std::conj(std::conj(u) + Complex(0, 1) * std::conj(l));
  }
  forward.transform(in.data(), out.data());
  const double scale = 1 / static_cast<double>(size);
  error += 8 * kUnit * log2_size * norm(in) * std::sqrt(scale) * 2;
  // Of a product of factors of at most 1, each a little off; no factor is off by more than sqrt(n) of the
  // norm.
  error *= std::exp(error * std::sqrt(static_cast<double>(size)));
  if (!(error < 1)) out_of_reach();

  for (int side = 0; side < 2; ++side) {
    const Window& window = windows[side];
    Curve& curve = side == 0 ? upper_ : lower_;
    curve.first = window.first;
    curve.step = step;
    curve.delta.assign(n, 0);
    const double keep = std::exp(-step), lose = -std::expm1(-step), per_step = tilt * step;
    // Chernoff's factor: a tilted mass m at loss s is a mass m e^(K - tilt s); in logarithms it never
    // overflows.
    const auto factor = [&](size_t i) {
      return std::exp(window.log_moment - tilt * (window.first + static_cast<double>(i) * step));
    };
    // sqrt(sum of the squared factors from i on), relative to the factor at i.
    const double spread =
        per_step > 0 ? std::min(1 / std::sqrt(-std::expm1(-2 * per_step)), std::sqrt(static_cast<double>(n)))
                     : std::sqrt(static_cast<double>(n));
    // Of the factors' exponents and of the sums.
    const double rounding =
        8 * kUnit * (std::abs(window.log_moment) + 2 * tilt * (std::abs(window.first) + step * n) + 16.0 * n);
    double above = 0, sum = 0;  // mass above i; delta at i
    double infinite = 0;
    for (const LossPart& part : parts) infinite += part.count * (part.*grids[side]).infinite;
    for (size_t i = n; i-- > 0;) {
      sum = keep * sum + lose * above;
      const auto at = static_cast<size_t>((window.begin + static_cast<int64_t>(i)) % size);
      const double tilted = side == 0 ? out[at].real() : -out[at].imag();
      const double here = factor(i);
      above += std::max(0.0, tilted * scale) * here;
      const double unsure = here * error * spread;
      if (side == 0) {
        curve.delta[i] =
            std::min(1.0, (sum + unsure + factor(n) * window.tail_above + infinite) * (1 + rounding));
      } else {
        curve.delta[i] =
            std::max(0.0, (sum - unsure - here * (window.tail_below + window.tail_above)) * (1 - rounding));
      }
    }
    curve.beyond = side == 0 ? curve.delta.back() : 0;
    // What the rounding leaves out of order: a true delta never grows with epsilon.
    for (size_t i = 1; i < n && side == 0; ++i) curve.delta[i] = std::min(curve.delta[i], curve.delta[i - 1]);
    for (size_t i = n - 1; i-- > 0 && side == 1;)
      curve.delta[i] = std::max(curve.delta[i], curve.delta[i + 1]);
  }
}

namespace {

// Between two points of the grid the delta of a loss on the grid is linear in e^epsilon.
double chord(double delta_low, double delta_high, double step, double beyond) {
  return delta_low + (delta_high - delta_low) * std::expm1(beyond) / std::expm1(step);
}

// Where the chord to `found`, the first point at or below delta, passes delta.
double crossing(const std::vector<double>& deltas, std::vector<double>::const_iterator found, double first,
                double step, double delta) {
  const auto i = static_cast<double>(found - deltas.begin());
  if (i == 0) return first;
  const double before = *(found - 1), share = (before - delta) / (before - *found);
  return first + (i - 1) * step + std::log1p(share * std::expm1(step));
}

}  // namespace

double ComposedLoss::delta_upper(double epsilon) const {
  if (epsilon < upper_.first) return 1;
  const double at = (epsilon - upper_.first) / upper_.step;
  const auto i = static_cast<size_t>(std::min(at, 1e15));
  if (i + 1 >= upper_.delta.size()) return upper_.beyond;
  return std::min(1.0, chord(upper_.delta[i], upper_.delta[i + 1], upper_.step,
                             epsilon - upper_.first - static_cast<double>(i) * upper_.step) *
                           (1 + 1e-12));
}

double ComposedLoss::delta_lower(double epsilon) const {
  if (epsilon < lower_.first) return lower_.delta[0];
  const double at = (epsilon - lower_.first) / lower_.step;
  const auto i = static_cast<size_t>(std::min(at, 1e15));
  if (i + 1 >= lower_.delta.size()) return 0;
  return std::max(0.0, chord(lower_.delta[i], lower_.delta[i + 1], lower_.step,
                             epsilon - lower_.first - static_cast<double>(i) * lower_.step) *
                           (1 - 1e-12));
}

double ComposedLoss::epsilon_upper(double delta) const {
  const auto found = std::partition_point(upper_.delta.begin(), upper_.delta.end(),
                                          [&](double value) { return value > delta; });
  if (found == upper_.delta.end()) return kInfinity;
  const double epsilon = crossing(upper_.delta, found, upper_.first, upper_.step, delta);
  return std::max(0.0, epsilon + 1e-11 * (1 + std::abs(epsilon)));
}

double ComposedLoss::epsilon_lower(double delta) const {
  const auto found = std::partition_point(lower_.delta.begin(), lower_.delta.end(),
                                          [&](double value) { return value > delta; });
  if (found == lower_.delta.begin()) return 0;
  const double epsilon = found == lower_.delta.end()
                             ? lower_.first + static_cast<double>(lower_.delta.size() - 1) * lower_.step
                             : crossing(lower_.delta, found, lower_.first, lower_.step, delta);
  return std::max(0.0, epsilon - 1e-11 * (1 + std::abs(epsilon)));
}

}  // namespace discreet
