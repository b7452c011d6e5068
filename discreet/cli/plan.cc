// discreet plan: noise and steps for a budget, from public numbers alone.
#include "discreet/accounting/plan.h"

#include <iostream>

#include "discreet/base/json.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"

namespace discreet {
namespace {

template <typename Number>
std::string words(const std::optional<Number>& value, const PlanRequest& request) {
  if (!value && !request.sample_size)
    return "waits for the number of units (--sample-size, or counted privately)";
  if (!value) return "waits for --batch-size and --epochs";
  if constexpr (std::is_integral_v<Number>)
    return std::to_string(*value);
  else
    return format_number(*value, 6);
}

}  // namespace

int plan_command(const std::vector<std::string>& arguments) {
  CLI::App app("How much noise and how many steps a privacy budget allows. Reads no data.", "discreet plan");
  std::string epsilon, delta, relation = "add-or-remove-one";
  Written sample_size, batch_size, epochs, share;
  bool json = false;
  app.add_option("--epsilon", epsilon, "privacy budget, 0.01 to 100")->required()->type_name("E");
  app.add_option("--delta", delta, "probability with which epsilon may not hold, above 0, below 1")
      ->required()
      ->type_name("D");
  app.add_option("--sample-size", sample_size, "number of units in the data, where it is public knowledge")
      ->type_name("N");
  app.add_option("--batch-size", batch_size, "expected number of units in a step's batch")->type_name("B");
  app.add_option("--epochs", epochs, "expected number of times that each unit is seen")->type_name("K");
  app.add_option("--relation", relation,
                 "add-or-remove-one (default), replace-one or zero-out: which data sets are neighbours")
      ->type_name("R");
  app.add_option(
         "--statistics-share", share,
         "share of the budget for private statistics, 0 to 0.5 (default: 0 with --sample-size, else 0.1)")
      ->type_name("S");
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;

  PlanRequest request;
  request.epsilon = number("--epsilon", epsilon, 0.01, 100, "a number from 0.01 to 100");
  request.delta = probability("--delta", delta);
  request.relation = parse_relation(relation);
  if (sample_size)
    request.sample_size = number("--sample-size", *sample_size, 1, 1e12, "a number from 1 to 1e12");
  if (batch_size) {
    request.batch_size =
        integer("--batch-size", *batch_size, 1, 1'000'000'000'000, "a whole number from 1 to 1e12");
  }
  if (epochs) request.epochs = number("--epochs", *epochs, 1e-6, 1e6, "a number from 1e-6 to 1e6");
  request.statistics_share = share ? number("--statistics-share", *share, 0, 0.5, "a number from 0 to 0.5")
                             : sample_size ? 0
                                           : 0.1;
  const Plan plan = make_plan(request);
  if (json) {
    std::cout << plan.to_json().dump() << "\n";
    return 0;
  }
  Lines lines;
  lines.add("epsilon", format_number(plan.epsilon, 6) + " at delta " + format_number(plan.delta));
  lines.add("for statistics", "epsilon " + format_number(plan.shares.statistics_epsilon) + ", delta " +
                                  format_number(plan.shares.statistics_delta));
  lines.add("for training", "epsilon " + format_number(plan.shares.training_epsilon) + ", delta " +
                                format_number(plan.shares.training_delta));
  lines.add("reached by training", words(plan.training_epsilon, request));
  lines.add("relation", std::string(to_string(plan.relation)));
  lines.add("noise multiplier", words(plan.noise_multiplier, request));
  lines.add("sample rate", words(plan.sample_rate, request));
  lines.add("steps", words(plan.steps, request));
  lines.add("accountant", std::string(to_string(plan.accountant)));
  std::cout << lines.text() << epsilon_in_words(plan.epsilon, plan.delta) << "\n";
  return 0;
}

}  // namespace discreet
