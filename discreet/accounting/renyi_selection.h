// Renyi divergence of the best of a random number of runs of one mechanism (Papernot and Steinke 2022,
// "Hyperparameter tuning with Renyi differential privacy", arXiv:2110.03620). D_a is the divergence of a
// single run, the larger of both directions, T the number of trials.
//
//   negative binomial (their Theorem 2), with any second order a' > 1:
//     D_a + (1 + eta) ((1 - 1/a') D_a' + ln(1 / gamma) / a') + ln E[T] / (a - 1)
//   Poisson with mean m (their Theorem 6), where a run is (ln(1 + 1/(a - 1)), d)-private:
//     ln(e^-m + m e^((a - 1) (D_a + m d))) / (a - 1)
//     The term e^-m is the outcome of no trial at all, which has this probability in either data set. d is
//     converted from Renyi divergences, as in rdp.h.
#pragma once

#include <functional>
#include <vector>

#include "discreet/accounting/trials.h"

namespace discreet {

class RenyiSelection {
 public:
  // renyi_of_one: upper bound on D_a at any order a > 1.
  RenyiSelection(const Trials& trials, std::function<double(double)> renyi_of_one);

  // Upper bound on the divergence of the selection at an order above 1.
  double renyi(double order) const;

 private:
  struct Point {
    double order, renyi;
  };
  double delta_of_one(double epsilon) const;

  Trials trials_;
  std::function<double(double)> renyi_of_one_;
  std::vector<Point> profile_;  // of one run; any order gives a true bound
  double surcharge_ = 0;        // negative binomial: what does not depend on the order
};

}  // namespace discreet
