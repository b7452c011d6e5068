#include "discreet/store/cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/accounting/pld.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kAccountantRounding = 1e-9;  // two ways to the same epsilon
constexpr double kRounding = 1e-12;           // decimal fractions are not exact in binary
constexpr double kRoom =
    1.1;  // plans of one (epsilon, delta) differ in divergence; see DivergenceOfPlans in the test

Event attempts_at_statistics(const RunRecord& run) {
  if (run.statistics_attempts == 0) return Event::composed({});
  return Event::repeated(Event::from_json(run.statistics_event), run.statistics_attempts);
}

// Infinite where delta is too small for the event.
double epsilon_by_rdp(const Event& event, Relation relation, double delta) {
  try {
    return rdp_epsilon(event, relation, delta);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInvalidArgument) return kInfinity;
    throw;
  }
}

// Infinite also where the accountant of privacy losses cannot account the event.
double epsilon_by_pld(const Event& event, Relation relation, double delta) {
  try {
    return pld_epsilon(event, relation, delta).upper;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInvalidArgument || error.kind() == ErrorKind::kUnsupported)
      return kInfinity;
    throw;
  }
}

[[noreturn]] void not_covered(const RunRecord& run, const std::string& what, double epsilon, double covered) {
  throw Error(ErrorKind::kBudgetExhausted, what + " of run " + run.id + " would cost epsilon " +
                                               format_number(epsilon, 6) + ", but " +
                                               format_number(covered, 6) + " is reserved for it");
}

// A release that costs as much as a plan of this (epsilon, delta) that is not known yet: about the Gaussian
// mechanism that is exactly (epsilon, delta)-private. Nothing rests on it, since a plan is checked when it is
// set.
RenyiCost room_for_plan(double epsilon, double delta, const std::vector<double>& orders) {
  RenyiCost room{std::vector<double>(orders.size(), kInfinity)};
  if (epsilon <= 0) return {std::vector<double>(orders.size(), 0)};
  if (delta <= 0) return renyi_cost(Event::epsilon_delta(epsilon, 0), Relation::kAddOrRemoveOne, orders);
  double low = std::log(1e-3), high = std::log(1e9);  // of the noise multiplier
  const auto suffices = [&](double log_noise) {
    const Event release = Event::gaussian(std::exp(log_noise));
    return pld_delta(release, Relation::kAddOrRemoveOne, epsilon).upper <= delta;
  };
  if (suffices(low) || !suffices(high)) return room;
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    (suffices(middle) ? high : low) = middle;
  }
  room = renyi_cost(Event::gaussian(std::exp(high)), Relation::kAddOrRemoveOne, orders);
  for (double& divergence : room.divergence) divergence *= kRoom;
  return room;
}

}  // namespace

void check_statistics_covered(const RunRecord& run) {
  const double epsilon = epsilon_by_rdp(attempts_at_statistics(run), run.relation, run.delta);
  if (!(epsilon <= run.epsilon * (1 + kAccountantRounding)))
    not_covered(run, "the statistics", epsilon, run.epsilon);
}

void check_covered(const RunRecord& run, const BudgetShare& training) {
  if (!(training.epsilon <= run.epsilon * (1 + kRounding) && training.delta <= run.delta * (1 + kRounding))) {
    throw Error(ErrorKind::kBudgetExhausted,
                "the training's share of run " + run.id + " is more than it reserved");
  }
  const Event plan = Event::from_json(run.training_event);
  double epsilon = epsilon_by_rdp(plan, run.relation, training.delta);
  const double enough = training.epsilon * (1 + kAccountantRounding);
  if (!(epsilon <= enough)) epsilon = std::min(epsilon, epsilon_by_pld(plan, run.relation, training.delta));
  if (!(epsilon <= enough)) not_covered(run, "the training", epsilon, training.epsilon);
  if (run.statistics_attempts == 0) return;
  const BudgetShare rest{run.epsilon - training.epsilon, run.delta - training.delta};
  const double statistics = epsilon_by_rdp(attempts_at_statistics(run), run.relation, rest.delta);
  if (!(statistics <= rest.epsilon * (1 + kAccountantRounding)))
    not_covered(run, "the statistics", statistics, rest.epsilon);
}

double share_of_statistics(const RunRecord& run) {
  const Event attempts = attempts_at_statistics(run);
  const auto covers = [&](double share) {
    return epsilon_by_rdp(attempts, run.relation, share * run.delta) <= share * run.epsilon;
  };
  double low = 0, high = 1;
  for (int halvings = 0; halvings < 40; ++halvings) {
    const double middle = (low + high) / 2;
    (covers(middle) ? high : low) = middle;
  }
  return high;
}

RenyiCost cost_at(const RunRecord& run, const std::vector<double>& orders) {
  RenyiCost cost = renyi_cost(attempts_at_statistics(run), run.relation, orders);
  const bool over = run.status != "reserved" && !run.charges_lost;
  if (!run.training_event.is_null()) {
    Event plan = Event::from_json(run.training_event);
    const bool by_steps = plan.kind() == Event::Kind::kRepeated && plan.count() == run.planned_steps;
    if (over && by_steps) plan = Event::repeated(plan.events()[0], run.charged_steps);
    if (!over || by_steps || run.charged_steps > 0) cost.add(renyi_cost(plan, run.relation, orders));
  } else if (!over) {
    const double rest = run.statistics_attempts == 0 ? 1 : 1 - share_of_statistics(run);
    cost.add(room_for_plan(rest * run.epsilon, rest * run.delta, orders));
  }
  return cost;
}

}  // namespace discreet
