#include "discreet/report/inference.h"

#include <algorithm>
#include <cmath>

namespace discreet {
double highest_belief(double epsilon, double prior) {
  if (prior <= 0) return 0;
  return prior / (prior + (1 - prior) * std::exp(-epsilon));
}

double lowest_belief(double epsilon, double prior) {
  return 1 - highest_belief(epsilon, 1 - prior);
}

double best_guess(double epsilon, double delta, double prior) {
  // The region of allowed (FPR, TPR) is a polygon and the probability of being right is linear in both, so it
  // is largest in one of the three upper corners: (0, delta), the bend, and (1 - delta, 1).
  const double bend = (1 + delta * std::exp(-epsilon)) / (1 + std::exp(-epsilon));
  return std::max({(1 - prior) + prior * delta, bend, prior + (1 - prior) * delta});
}

}  // namespace discreet
