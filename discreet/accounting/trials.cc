#include "discreet/accounting/trials.h"

#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

void check(const char* name, double value, double low, double high, const char* range) {
  if (value >= low && value <= high) return;
  throw Error(ErrorKind::kInvalidArgument, std::string("the ") + name + " of trials must be in " + range +
                                               ", not " + format_number(value));
}

}  // namespace

Trials Trials::poisson(double mean) {
  check("mean", mean, 1e-3, 1e9, "[0.001, 1e9]");
  Trials trials;
  trials.mean_ = mean;
  return trials;
}

Trials Trials::negative_binomial(double eta, double gamma) {
  check("eta", eta, -0.999, 1e6, "[-0.999, 1e6]");
  check("gamma", gamma, 1e-9, 0.999999, "[1e-9, 0.999999]");
  Trials trials;
  trials.distribution_ = Distribution::kNegativeBinomial;
  trials.eta_ = eta;
  trials.gamma_ = gamma;
  return trials;
}

Trials Trials::geometric(double gamma) {
  return negative_binomial(1, gamma);
}

double Trials::mean() const {
  if (distribution_ == Distribution::kPoisson) return mean_;
  const double odds = (1 - gamma_) / gamma_, log_gamma = std::log(gamma_);
  return eta_ == 0 ? odds / -log_gamma : eta_ * odds / -std::expm1(eta_ * log_gamma);
}

}  // namespace discreet
