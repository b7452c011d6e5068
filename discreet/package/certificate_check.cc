#include <algorithm>
#include <cmath>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/package/certificate.h"

namespace discreet {
namespace {

// Between two machines the last digits of a logarithm may differ, and, with them, how the transform of a
// privacy loss distribution rounds. Another version may have had bounds that are wider, by no more than
// kWider (relative; absolute below 1); no version's epsilon is below what is proven. Anything else is another
// number.
constexpr double kRounding = 1e-9, kTransformRounding = 1e-6, kWider = 1e-3;

bool same(double stated, double computed, double rounding = kRounding) {
  return std::abs(stated - computed) <= rounding * std::max({std::abs(stated), std::abs(computed), 1e-300});
}

std::string differs(const std::string& where, double stated, double computed) {
  return "privacy.json: " + where + " is " + format_number(stated, 10) + ", but its events give " +
         format_number(computed, 10);
}

// The event that sample rate, noise multiplier and steps describe; at rate 1 there is nothing to sample.
bool describes(const Phase& phase) {
  const Event gaussian = Event::gaussian(*phase.noise_multiplier);
  const Event sampled = Event::repeated(Event::poisson_sampled(*phase.sample_rate, gaussian), *phase.steps);
  return phase.event == sampled ||
         (*phase.sample_rate == 1 && phase.event == Event::repeated(gaussian, *phase.steps));
}

void check_epsilon(const Phase& phase, Relation relation, const std::string& where,
                   std::vector<std::string>& problems) {
  if (phase.accountant == Accountant::kRdp) {
    const double computed = rdp_epsilon(phase.event, relation, phase.delta);
    if (!same(phase.epsilon, computed))
      problems.push_back(differs(where + ".epsilon", phase.epsilon, computed));
    return;
  }
  const PldBounds computed = pld_epsilon(phase.event, relation, phase.delta);
  const double wider = kWider * std::max(1.0, computed.upper), lower = phase.epsilon_lower.value_or(-1);
  if (!same(phase.epsilon, computed.upper, kTransformRounding) &&
      !(phase.epsilon > computed.upper && phase.epsilon <= computed.upper + wider))
    problems.push_back(differs(where + ".epsilon", phase.epsilon, computed.upper));
  if (!same(lower, computed.lower, kTransformRounding) &&
      !(lower < computed.lower && lower >= std::max(0.0, computed.lower - wider)))
    problems.push_back(differs(where + ".epsilon_lower", lower, computed.lower));
}

}  // namespace

std::vector<std::string> check_certificate(const Certificate& certificate) {
  std::vector<std::string> problems;
  const Guarantee& guarantee = certificate.guarantee;
  double epsilon = 0, delta = 0;
  for (size_t place = 0; place < certificate.phases.size(); ++place) {
    const Phase& phase = certificate.phases[place];
    const std::string where = "phases[" + std::to_string(place) + "]";
    try {
      check_epsilon(phase, guarantee.relation, where, problems);
      if (phase.name == "training" && !describes(phase)) {
        problems.push_back("privacy.json: " + where +
                           ".sample_rate, noise_multiplier and steps are not those of its event");
      }
    } catch (const Error& error) {
      problems.push_back("privacy.json: " + where + " cannot be accounted: " + error.what());
    }
    if (phase.steps_lost && *phase.steps_lost > *phase.steps) {
      problems.push_back("privacy.json: " + where + ".steps_lost is more than steps");
    }
    epsilon += static_cast<double>(phase.attempts) * phase.epsilon;
    delta += static_cast<double>(phase.attempts) * phase.delta;
  }
  if (certificate.phases.empty())
    problems.push_back("privacy.json: phases is empty: nothing carries the guarantee");
  if (!same(guarantee.epsilon, epsilon)) {
    problems.push_back("privacy.json: guarantee.epsilon is " + format_number(guarantee.epsilon, 10) +
                       ", but its phases add up to " + format_number(epsilon, 10));
  }
  if (!same(guarantee.delta, delta)) {
    problems.push_back("privacy.json: guarantee.delta is " + format_number(guarantee.delta, 10) +
                       ", but its phases add up to " + format_number(delta, 10));
  }
  return problems;
}

}  // namespace discreet
