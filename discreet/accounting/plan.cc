#include "discreet/accounting/plan.h"

#include <cmath>

#include "discreet/accounting/calibrate.h"
#include "discreet/accounting/event.h"
#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kInvalidArgument, what);
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// whole - part, such that part plus the result is at most whole also after rounding.
double remainder_of(double whole, double part) {
  return part == 0 ? whole : std::nextafter(whole - part, 0.);
}

void check(const PlanRequest& request) {
  if (!(request.epsilon >= kMinTargetEpsilon && request.epsilon <= kMaxTargetEpsilon)) {
    refuse("epsilon must be in [0.001, 1000], not " + format_number(request.epsilon));
  }
  if (!(request.delta > 0 && request.delta < 1)) {
    refuse("delta must be above 0 and below 1, not " + format_number(request.delta));
  }
  if (!(request.statistics_share >= 0 && request.statistics_share < 1)) {
    refuse("statistics_share must be at least 0 and below 1, not " + format_number(request.statistics_share));
  }
  if (request.sample_size && !(*request.sample_size >= 1 && std::isfinite(*request.sample_size))) {
    refuse("sample_size must be at least 1, not " + format_number(*request.sample_size));
  }
  if (request.batch_size && *request.batch_size < 1) {
    refuse("batch_size must be at least 1, not " + std::to_string(*request.batch_size));
  }
  if (request.batch_size && request.sample_size &&
      static_cast<double>(*request.batch_size) > *request.sample_size) {
    refuse("batch_size must be at most sample_size, " + format_number(*request.sample_size, 15) + ", not " +
           std::to_string(*request.batch_size));
  }
  if (request.epochs && request.steps) refuse("give epochs or steps, not both");
  if (request.epochs && !(*request.epochs > 0 && std::isfinite(*request.epochs))) {
    refuse("epochs must be above 0, not " + format_number(*request.epochs));
  }
  if (request.steps && (*request.steps < 1 || *request.steps > int64_t{1} << 53)) {
    refuse("steps must be in [1, 2^53], not " + std::to_string(*request.steps));
  }
}

// The least noise that some accountant allows, and what it then says.
void set_noise(Plan& plan) {
  const Shares& shares = plan.shares;
  Target target{shares.training_epsilon, shares.training_delta, plan.relation, Accountant::kRdp};
  plan.accountant = target.accountant;
  plan.noise_multiplier = calibrate_noise_multiplier(target, *plan.sample_rate, *plan.steps);
  try {
    target.accountant = Accountant::kPld;
    const double noise = calibrate_noise_multiplier(target, *plan.sample_rate, *plan.steps);
    if (noise <= *plan.noise_multiplier) {
      plan.noise_multiplier = noise;
      plan.accountant = target.accountant;
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported) throw;  // out of its reach
  }
  const Event step = Event::poisson_sampled(*plan.sample_rate, Event::gaussian(*plan.noise_multiplier));
  plan.training_epsilon = upper_epsilon(plan.accountant, Event::repeated(step, *plan.steps), plan.relation,
                                        shares.training_delta);
}

}  // namespace

Json Plan::to_json() const {
  return {{"epsilon", epsilon},
          {"delta", delta},
          {"relation", to_string(relation)},
          {"accountant", to_string(accountant)},
          {"sample_size", or_null(sample_size)},
          {"batch_size", or_null(batch_size)},
          {"steps", or_null(steps)},
          {"sample_rate", or_null(sample_rate)},
          {"noise_multiplier", or_null(noise_multiplier)},
          {"training_epsilon", or_null(training_epsilon)},
          {"epsilon_reached", or_null(epsilon_reached)},
          {"shares",
           {{"statistics", {{"epsilon", shares.statistics_epsilon}, {"delta", shares.statistics_delta}}},
            {"training", {{"epsilon", shares.training_epsilon}, {"delta", shares.training_delta}}}}}};
}

Plan make_plan(const PlanRequest& request) {
  check(request);
  Plan plan;
  plan.epsilon = request.epsilon;
  plan.delta = request.delta;
  plan.relation = request.relation;
  plan.shares.statistics_epsilon = request.statistics_share * request.epsilon;
  plan.shares.statistics_delta = request.statistics_share * request.delta;
  plan.shares.training_epsilon = remainder_of(request.epsilon, plan.shares.statistics_epsilon);
  plan.shares.training_delta = remainder_of(request.delta, plan.shares.statistics_delta);
  plan.sample_size = request.sample_size;
  plan.batch_size = request.batch_size;
  plan.steps = request.steps;
  if (!plan.sample_size || !plan.batch_size) return plan;

  const double batch_size = static_cast<double>(*plan.batch_size);
  plan.sample_rate = batch_size / *plan.sample_size;
  if (request.epochs) {
    const double steps = std::ceil(*request.epochs * *plan.sample_size / batch_size);
    if (!(steps <= 0x1p53)) refuse("epochs * sample_size / batch_size must be at most 2^53 steps");
    plan.steps = std::max<int64_t>(1, static_cast<int64_t>(steps));
  }
  if (!plan.steps) return plan;

  set_noise(plan);
  plan.epsilon_reached = plan.shares.statistics_epsilon + *plan.training_epsilon;
  return plan;
}

}  // namespace discreet
