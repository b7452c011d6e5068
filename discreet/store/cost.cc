#include "discreet/store/cost.h"

#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

constexpr double kAccountantRounding = 1e-9;  // two ways to the same epsilon

}  // namespace

void check_covered(const RunRecord& run, const Event& everything) {
  const double epsilon = rdp_epsilon(everything, run.relation, run.delta);
  if (!(epsilon <= run.epsilon * (1 + kAccountantRounding))) {
    throw Error(ErrorKind::kBudgetExhausted, "run " + run.id + " would cost epsilon " +
                                                 format_number(epsilon, 6) + ", but reserved " +
                                                 format_number(run.epsilon, 6));
  }
}

double share_of_statistics(const RunRecord& run) {
  const Event attempts = Event::repeated(Event::from_json(run.statistics_event), run.statistics_attempts);
  const auto covers = [&](double share) {
    try {
      return rdp_epsilon(attempts, run.relation, share * run.delta) <= share * run.epsilon;
    } catch (const Error&) {  // the delta is too small for the parts that have one of their own
      return false;
    }
  };
  double low = 0, high = 1;
  for (int halvings = 0; halvings < 40; ++halvings) {
    const double middle = (low + high) / 2;
    (covers(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace discreet
