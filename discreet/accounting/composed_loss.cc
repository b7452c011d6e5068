#include "discreet/accounting/composed_loss.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <kissfft/kissfft.hh>
#include <limits>

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-53;
constexpr int64_t kMaxSize = int64_t{1} << 22;  // of the transform: 200 MB, or 400
constexpr double kTailShare = 1e-7;             // of delta: what may be outside the window on either side
constexpr double kRoundingShare = 3e-5;         // of delta, at most, where double precision is enough
constexpr double kAimedShare = 1e-5;
// What the transform loses a step, roughly, of the tilted sum: for the choice of a tilt.
constexpr double kLossPerStep = 1e-12;

[[noreturn]] void out_of_reach() {
  throw Error(ErrorKind::kUnsupported,
              "the plan is out of the pld accountant's reach (too much loss or too many steps); use rdp");
}

// Where the sum lies on the circle of the transform.
struct Window {
  int64_t begin = 0;      // index of the sum, counted from the sum of the grids' first losses
  double first = 0;       // loss at begin
  double end = 0;         // loss
  double log_moment = 0;  // K(tilt)
  double tail = 0;        // bound on the tilted sum's mass outside, on either side
};

Window window_of(const std::vector<LossPart>& parts, LossSide side, const ThinLoss& thin, double tilt,
                 double tail) {
  const double step = (parts[0].*side).step;
  // The moments' exponents are sums over the cells, `count` times: rounded by less than ln 2, or nothing is
  // known.
  double rounding = 0;
  for (const LossPart& part : parts)
    rounding += 8 * kUnit * part.count * static_cast<double>((part.*side).mass.size());
  if (!(rounding < 0.5)) out_of_reach();
  const double low = tilted_reach(parts, side, thin, tilt, tail, -1),
               high = tilted_reach(parts, side, thin, tilt, tail, 1);
  double origin = 0;
  for (const LossPart& part : parts) origin += part.count * (part.*side).first;
  if (!((low - origin) / step < 0x1p53 && (high - low) / step < static_cast<double>(kMaxSize)))
    out_of_reach();
  Window window;
  window.begin = std::max<int64_t>(0, static_cast<int64_t>(std::floor((low - origin) / step)));
  window.first = origin + static_cast<double>(window.begin) * step;
  window.end = high;
  window.log_moment = log_moment(parts, side, tilt);  // the numbers of put_tilted: their roundings cancel
  window.tail = 2 * tail;                             // twice: the moments are rounded
  return window;
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
template <typename Real>
void put_tilted(const LossGrid& grid, double tilt, bool imaginary, std::vector<std::complex<Real>>& out) {
  const auto size = out.size();
  auto* numbers = reinterpret_cast<Real*>(out.data()) + (imaginary ? 1 : 0);
  size_t at = 0;
  const Real per_step = static_cast<Real>(tilt) * static_cast<Real>(grid.step),
             start = static_cast<Real>(tilt) * static_cast<Real>(grid.first) -
                     static_cast<Real>(log_moment(grid, tilt));
  Real scale = 0;
  const Real factor = std::exp(per_step);
  for (size_t i = 0; i < grid.mass.size(); ++i) {
    if (i % 32 == 0) scale = std::exp(start + static_cast<Real>(i) * per_step);
    numbers[2 * at] += static_cast<Real>(grid.mass[i]) * scale;
    scale *= factor;
    if (++at == size) at = 0;
  }
}

template <typename Real>
double norm(const std::vector<std::complex<Real>>& values) {
  Real sum = 0;
  for (const auto& value : values) sum += std::norm(value);
  return static_cast<double>(std::sqrt(sum));
}

// base^exponent; 0 below e^-100.
template <typename Real>
std::complex<Real> power(std::complex<Real> base, double exponent) {
  using Complex = std::complex<Real>;
  if (static_cast<double>(std::norm(base)) < std::exp(-200 / exponent)) return 0;
  Complex result = 1;
  for (auto left = static_cast<uint64_t>(exponent); left > 0; left >>= 1) {
    if (left & 1)
      result = Complex(result.real() * base.real() - result.imag() * base.imag(),
                       result.real() * base.imag() + result.imag() * base.real());
    base = Complex(base.real() * base.real() - base.imag() * base.imag(), 2 * base.real() * base.imag());
  }
  return result;
}

// The tilted sums of the upper and of the lower grids, on a circle.
struct TiltedSums {
  std::vector<double> upper, lower;
  double error = 0;  // of either, Euclidean norm
};

// Both real sequences go through one complex transform.
template <typename Real>
TiltedSums tilted_sums(const std::vector<LossPart>& parts, double tilt, size_t n) {
  using Complex = std::complex<Real>;
  constexpr double kRound = static_cast<double>(std::numeric_limits<Real>::epsilon()) / 2;
  const double size = static_cast<double>(n), log2_size = std::log2(size);
  const kissfft<Real> forward(n, false);
  std::vector<Complex> in(n), out(n), upper(n / 2 + 1, 1), lower(n / 2 + 1, 1);
  double error = 0;  // of either spectrum over sqrt(n)
  for (const LossPart& part : parts) {
    std::fill(in.begin(), in.end(), Complex());
    put_tilted(part.upper, tilt, false, in);
    put_tilted(part.lower, tilt, true, in);
    forward.transform(in.data(), out.data());
    // The masses themselves are rounded by the recurrence and the exponent of the tilt.
    const double reach =
        std::abs(part.upper.first) + part.upper.step * static_cast<double>(part.upper.mass.size());
    error += part.count * norm(in) * kRound * (8 * log2_size + 80 + 4 * tilt * reach) +
             8 * kRound * part.count + 1e-40;
    for (size_t k = 0; k <= n / 2; ++k) {
      const Complex a = out[k], b = std::conj(out[(n - k) % n]);
      upper[k] *= power((a + b) * static_cast<Real>(0.5), part.count);
      lower[k] *= power(Complex(0, -0.5) * (a - b), part.count);
    }
  }
  // The inverse transform as a forward one of the conjugate.
  for (size_t k = 0; k <= n / 2; ++k) {
    const Complex u = upper[k], l = lower[k];
    in[k] = Complex(u.real() - l.imag(), -u.imag() - l.real());
    if (k > 0 && k < n - k) in[n - k] = Complex(u.real() + l.imag(), u.imag() - l.real());
  }
  forward.transform(in.data(), out.data());
  error += 16 * kRound * log2_size * norm(in) / std::sqrt(size);
  // Of a product of factors of at most 1, each a little off; no factor is off by more than sqrt(n) of the
  // norm.
  error *= std::exp(error * std::sqrt(size));
  if (!(error < 1)) out_of_reach();
  TiltedSums sums;
  sums.error = error;
  sums.upper.reserve(n);
  sums.lower.reserve(n);
  for (const Complex& value : out) {
    sums.upper.push_back(static_cast<double>(value.real()) / size);
    sums.lower.push_back(static_cast<double>(-value.imag()) / size);
  }
  return sums;
}

double infinite_mass(const std::vector<LossPart>& parts, LossSide side) {
  double infinite = 0;
  for (const LossPart& part : parts) infinite += part.count * (part.*side).infinite;
  return infinite;
}

}  // namespace

ComposedLoss::ComposedLoss(const std::vector<LossPart>& parts, double delta) {
  const ThinLoss thin(parts, &LossPart::upper);
  double epsilon = saddlepoint_epsilon(thin, delta);
  double leeway = kAimedShare / (kLossPerStep * thin.count());
  compose<double>(parts, thin, delta, epsilon, leeway);
  const auto look = [&] {
    const double now = epsilon_upper(delta);
    if (std::isfinite(now)) epsilon = now;
    return rounding_share_ > kRoundingShare;
  };
  if (look() && leeway > 1 && rounding_share_ < leeway * kRoundingShare)
    compose<double>(parts, thin, delta, epsilon, leeway *= kAimedShare / rounding_share_);
  for (int round = 0; round < 2 && look(); ++round)
    compose<long double>(parts, thin, delta, epsilon, kAimedShare / (kLossPerStep * 0x1p-11 * thin.count()));
}

template <typename Real>
void ComposedLoss::compose(const std::vector<LossPart>& parts, const ThinLoss& thin, double delta,
                           double epsilon, double leeway) {
  const double tilt = enough_tilt(thin, delta, epsilon, std::max(1.0, leeway));
  const double factor = std::exp(thin.moments(tilt).value - tilt * epsilon);
  const double tail = std::clamp(kTailShare * delta / factor, 1e-40, 1e-7);
  const Window above = window_of(parts, &LossPart::upper, thin, tilt, tail),
               below = window_of(parts, &LossPart::lower, thin, tilt, tail);
  const double step = parts[0].upper.step,
               length = std::max(above.end - above.first, below.end - below.first);
  const int64_t size = fast_size(std::max<int64_t>(64, static_cast<int64_t>(std::ceil(length / step)) + 2));
  const auto n = static_cast<size_t>(size);
  if (size > kMaxSize) out_of_reach();
  const TiltedSums sums = tilted_sums<Real>(parts, tilt, n);

  const double keep = std::exp(-step), lose = -std::expm1(-step), per_cell = tilt * step;
  // sqrt(sum of the squared factors from i on), relative to the factor at i.
  const double spread = std::min(per_cell > 0 ? 1 / std::sqrt(-std::expm1(-2 * per_cell)) : kInfinity,
                                 std::sqrt(static_cast<double>(n)));
  // From the last loss down: the mass above, and delta, which is linear in e^epsilon between two losses.
  // Chernoff's factor makes of a tilted mass m at loss s a mass m e^(K - tilt s); in logarithms it never
  // overflows. each(i, delta, factor) is told every point.
  const auto walk = [&](const Window& window, const std::vector<double>& tilted, const auto& each) {
    double mass = 0, delta_here = 0, here = 0;
    const double grow = std::exp(per_cell);
    auto at = static_cast<size_t>((window.begin + size - 1) % size);
    for (size_t i = n; i-- > 0;) {
      if ((i + 1) % 32 == 0 || i + 1 == n)
        here = std::exp(window.log_moment - tilt * (window.first + static_cast<double>(i) * step));
      delta_here = keep * delta_here + lose * mass;
      mass += std::max(0.0, tilted[at]) * here;
      each(i, delta_here, here);
      here *= grow;
      at = at == 0 ? n - 1 : at - 1;
    }
  };
  // Of the factors' exponents and of the sums.
  const auto rounding = [&](const Window& window) {
    return 8 * kUnit *
           (std::abs(window.log_moment) +
            2 * tilt * (std::abs(window.first) + step * static_cast<double>(n)) +
            16.0 * static_cast<double>(n) + 64);
  };

  upper_ = {above.first, step, std::vector<double>(n), 0};
  const double end = std::exp(above.log_moment - tilt * (above.first + step * static_cast<double>(n)));
  const double beyond = end * above.tail + infinite_mass(parts, &LossPart::upper), up = 1 + rounding(above);
  rounding_share_ = kInfinity;
  walk(above, sums.upper, [&](size_t i, double value, double here) {
    const double unsure = here * sums.error * spread;
    upper_.delta[i] = std::min(1.0, (value + unsure + beyond) * up);
    if (upper_.delta[i] <= delta) rounding_share_ = unsure / delta;
  });
  upper_.beyond = upper_.delta.back();
  // What the rounding leaves out of order: a true delta never grows with epsilon.
  for (size_t i = 1; i < n; ++i) upper_.delta[i] = std::min(upper_.delta[i], upper_.delta[i - 1]);

  lower_ = {below.first, step, std::vector<double>(n), 0};
  const double down = 1 - rounding(below);
  walk(below, sums.lower, [&](size_t i, double value, double here) {
    lower_.delta[i] = std::max(0.0, (value - here * (sums.error * spread + 2 * below.tail)) * down);
  });
  for (size_t i = n - 1; i-- > 0;) lower_.delta[i] = std::max(lower_.delta[i], lower_.delta[i + 1]);
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
