#include "discreet/accounting/bounded_loss.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace discreet {
namespace {

constexpr double kUnit = 0x1p-53;
constexpr double kUp = 1 + 1e-12;  // outweighs the roundings of a few products

// Of all pairs of two outcomes of losses t and t - E, Q's masses (e^-t - e^-E) / (1 - e^-E) and the rest:
//   (1 - e^-E) e^((a - 1) D) = e^((a - 1) t) (1 - e^(-a E)) - e^(a t) (e^-E - e^(-a E))
// is largest where e^t = (a - 1) (1 - e^(-a E)) / (a (e^-E - e^(-a E))), and there it is e^((a - 1) t) (1 -
// e^(-a E)) / a.
double worst_loss(double epsilon, double order) {
  const double b = order - 1;
  return std::log(b / order) + std::log(-std::expm1(-order * epsilon)) + epsilon -
         std::log(-std::expm1(-b * epsilon));
}

}  // namespace

BoundedLoss BoundedLoss::laplace(double distance_over_scale) {
  assert(distance_over_scale > 0);
  const double largest = distance_over_scale;
  return {.largest = largest,
          .atoms = {{largest, 0.5}, {-largest, 0.5 * std::exp(-largest)}},
          .spacing = 2 * largest,
          .density = 0.25};
}

BoundedLoss BoundedLoss::discrete_laplace(double scale, int64_t distance) {
  assert(scale > 0 && distance > 0);
  const double t = 1 / scale, d = static_cast<double>(distance), end = 1 / (1 + std::exp(-t));
  BoundedLoss loss{.largest = t * d, .atoms = {{t * d, end}}, .spacing = 2 * t, .density = 0};
  for (double k = 1; k < d; ++k)
    loss.atoms.push_back({t * (d - 2 * k), -std::expm1(-t) * end * std::exp(-t * k)});
  loss.atoms.push_back({-t * d, end * std::exp(-t * d)});
  return loss;
}

BoundedLoss BoundedLoss::randomized_response(double epsilon, int64_t categories) {
  assert(epsilon > 0 && categories >= 2);
  const double others = static_cast<double>(categories - 1), truth = 1 / (1 + others * std::exp(-epsilon));
  const double each = truth * std::exp(-epsilon);
  BoundedLoss loss{.largest = epsilon, .atoms = {{epsilon, truth}}, .spacing = 2 * epsilon, .density = 0};
  if (categories > 2) {
    loss.atoms.push_back({0, (others - 1) * each});
    loss.spacing = epsilon;
  }
  loss.atoms.push_back({-epsilon, each});
  return loss;
}

BoundedLoss BoundedLoss::bounded_range(double epsilon) {
  assert(epsilon > 0);
  return {.largest = epsilon, .atoms = {}, .spacing = 0, .density = -0.5 / std::expm1(-epsilon)};
}

BoundedLoss BoundedLoss::two_outcomes(double epsilon, double order) {
  assert(epsilon > 0 && order > 1);
  const double t = std::clamp(worst_loss(epsilon, order), epsilon / 2, epsilon * (1 - 1e-9));
  const double all = -std::expm1(-epsilon);
  return {
      .largest = t,
      .atoms = {{t, -std::expm1(t - epsilon) / all}, {t - epsilon, std::exp(-epsilon) * std::expm1(t) / all}},
      .spacing = epsilon,
      .density = 0};
}

double renyi_bounded_loss(const BoundedLoss& pair, double order) {
  assert(order > 1);
  const double b = order - 1, largest = pair.largest;
  // E e^(b L) over e^(b E), positive terms only.
  double sum = pair.density * -std::expm1(-(order + b) * largest) / (b + 0.5);
  for (const BoundedLoss::Atom& atom : pair.atoms) sum += atom.mass * std::exp(-b * (largest - atom.loss));
  const double error = kUnit * (16 + 4 * static_cast<double>(pair.atoms.size()) + 8 * b * largest);
  const double exact = largest + std::log(sum * (1 + error)) / b;
  const double rounding = kUnit * (8 * largest + (8 + 4 * std::abs(std::log(sum))) / b);
  return std::min({exact + rounding, largest, order * largest * largest / 2}) * kUp;
}

double renyi_bounded_range(double epsilon, double order) {
  assert(epsilon > 0 && order > 1);
  const double b = order - 1, t = worst_loss(epsilon, order);
  const double rest =
      std::log(-std::expm1(-order * epsilon)) - std::log(order) - std::log(-std::expm1(-epsilon));
  const double rounding =
      16 * kUnit * (1 + epsilon + std::abs(std::log(b)) + std::abs(std::log(epsilon))) * (1 + 1 / b);
  return std::min({t + rest / b + rounding, epsilon, order * epsilon * epsilon / 8}) * kUp;
}

}  // namespace discreet
