// How often a mechanism is run before its best result is kept: a random number, because a fixed one would
// cost as much as the release of every result (Papernot and Steinke 2022, "Hyperparameter tuning with Renyi
// differential privacy").
#pragma once

namespace discreet {

class Trials {
 public:
  enum class Distribution { kPoisson, kNegativeBinomial };

  // Every factory throws kInvalidArgument with the field and its range.

  // None at all with probability e^-mean.
  static Trials poisson(double mean);  // [1e-3, 1e9]
  // At least one. Pr[k] is in proportion to (1 - gamma)^k times the binomial coefficient of (k + eta - 1, k);
  // eta = 0 is the logarithmic distribution (their Definition 1).
  static Trials negative_binomial(double eta, double gamma);  // eta [-0.999, 1e6], gamma [1e-9, 0.999999]
  // At least one, each followed by another with probability 1 - gamma: eta = 1.
  static Trials geometric(double gamma);

  Distribution distribution() const { return distribution_; }
  double mean() const;
  double eta() const { return eta_; }      // negative binomial
  double gamma() const { return gamma_; }  // negative binomial

  bool operator==(const Trials& other) const = default;

 private:
  Distribution distribution_ = Distribution::kPoisson;
  double mean_ = 0, eta_ = 0, gamma_ = 0;
};

}  // namespace discreet
