// A tree of events as the privacy losses that it composes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "discreet/accounting/bounded_loss.h"
#include "discreet/accounting/composed_loss.h"
#include "discreet/accounting/event.h"
#include "discreet/accounting/inverted_loss.h"
#include "discreet/accounting/loss_pair.h"
#include "discreet/accounting/relation.h"

namespace discreet {

class PldPlan {
 public:
  // kUnsupported for an event that the table in docs/accounting.md refuses.
  PldPlan(const Event& event, Relation relation);

  // What is added by basic composition (epsilon_delta, the deltas of thresholded_selection).
  double epsilon() const { return epsilon_; }
  double delta() const { return delta_; }
  // Whether there is anything else.
  bool has_loss() const { return mu_squared_ > 0 || !sampled_.empty() || !bounded_.empty(); }

  // Of all unsampled Gaussians together: how many standard deviations neighbours are apart.
  double mu() const;
  bool is_gaussian() const { return sampled_.empty() && bounded_.empty(); }
  // Whether upper and lower bounds have pairs of their own, so that no grid brings them together: with an
  // exponential mechanism.
  bool has_gap() const;
  // Upper bound on the sum of all losses of one direction; infinite where it has none.
  double largest_loss(LossPair::Direction direction) const;
  // Upper bound on delta at any epsilon: the probability that a unit is in some draw, where all releases are
  // of draws; else 1.
  //
  // With w the probability of being in none, product of (1 - q_i)^n_i, and A the distribution of all results
  // without the unit, the pairs of loss_pair.h compose to
  //   kRemove   P >= w A, Q = A       kAdd   P = A, Q >= w A       kReplace   P >= w A, Q >= w A,
  // since each release's mixture is at least 1 - q of its unit-free part. So P(S) - e^epsilon Q(S) <= P(S) -
  // Q(S) <= 1 - w for every S: what the two have in common, min(P, Q) >= w A, has mass w or more. (On the
  // data sets: let both draw with the same coins, the replaced unit's coin being that of the one in its
  // place. With probability w it is in no draw, and then all results are the same.)
  // Of kAdd this says more: dP/dQ <= 1 / w, the largest loss.
  double most_delta() const;

  // The pairs that have to be looked at, each composed by itself; the worst counts.
  std::vector<LossPair::Direction> directions() const;

  // The losses of one direction, if all are of Gaussians.
  std::optional<GaussianLosses> gaussian_losses(LossPair::Direction direction) const;

  // The losses of one direction, composed on grids that suit this delta. fineness: 1 for the step that a
  // sketch of the losses suggests, below for a finer one, but none much below `step`, which becomes the one
  // used. kUnsupported where the plan is too large for the transform.
  ComposedLoss compose(LossPair::Direction direction, double delta, double fineness, double& step) const;

 private:
  struct Bounded {
    BoundedLoss loss;
    double count = 0;
  };
  void add(const Event& event, double times);
  double draws_loss() const;  // upper bound on -ln of the probability that a unit is in no draw

  Relation relation_;
  double mu_squared_ = 0;                                // sum of 1 / noise_multiplier^2
  std::map<std::pair<double, double>, double> sampled_;  // (sample_rate, noise_multiplier) -> how often
  std::map<std::string, Bounded> bounded_;               // by their event's JSON
  double epsilon_ = 0, delta_ = 0;
};

}  // namespace discreet
