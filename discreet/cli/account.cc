// discreet account: what a given mechanism costs.
#include <iostream>
#include <optional>

#include "discreet/accounting/accountant.h"
#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/json.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"

namespace discreet {

int account_command(const std::vector<std::string>& arguments) {
  CLI::App app("What steps of Poisson-sampled Gaussian noise cost together.", "discreet account");
  std::string rate, multiplier, count, delta_text, relation_name = "add-or-remove-one",
                                                   accountant_name = "pld";
  bool json = false;
  app.add_option("--sample-rate", rate, "probability with which each unit is in a step's batch, 0 to 1")
      ->required()
      ->type_name("Q");
  app.add_option("--noise-multiplier", multiplier, "noise's standard deviation over the clip, 1e-6 to 1e9")
      ->required()
      ->type_name("S");
  app.add_option("--steps", count, "number of steps, 1 to 2^53")->required()->type_name("T");
  app.add_option("--delta", delta_text, "probability with which epsilon may not hold, above 0, below 1")
      ->required()
      ->type_name("D");
  app.add_option("--relation", relation_name,
                 "add-or-remove-one (default), replace-one or zero-out: which data sets are neighbours")
      ->type_name("R");
  app.add_option("--accountant", accountant_name,
                 "pld (default, what training is certified by: for one plan fixed beforehand, with a lower "
                 "bound) or rdp (Renyi)")
      ->type_name("NAME");
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;

  const double sample_rate = number("--sample-rate", rate, 0, 1, "a number from 0 to 1");
  const double noise_multiplier =
      number("--noise-multiplier", multiplier, 1e-6, 1e9, "a number from 1e-6 to 1e9");
  const int64_t steps = integer("--steps", count, 1, int64_t{1} << 53, "a whole number from 1 to 2^53");
  const double delta = probability("--delta", delta_text);
  const Relation relation = parse_relation(relation_name);

  const Accountant accountant = parse_accountant(accountant_name);
  const Event plan =
      Event::repeated(Event::poisson_sampled(sample_rate, Event::gaussian(noise_multiplier)), steps);
  double epsilon = 0;
  std::optional<double> epsilon_lower;
  if (accountant == Accountant::kPld) {
    const PldBounds bounds = pld_epsilon(plan, relation, delta);
    epsilon = bounds.upper;
    epsilon_lower = bounds.lower;
  } else {
    epsilon = rdp_epsilon(plan, relation, delta);
  }
  if (json) {
    std::cout << Json{{"epsilon", epsilon},
                      {"epsilon_lower", epsilon_lower ? Json(*epsilon_lower) : Json()},
                      {"delta", delta},
                      {"relation", to_string(relation)},
                      {"accountant", to_string(accountant)},
                      {"sample_rate", sample_rate},
                      {"noise_multiplier", noise_multiplier},
                      {"steps", steps}}
                     .dump()
              << "\n";
    return 0;
  }
  Lines lines;
  lines.add("epsilon", format_number(epsilon, 6));
  if (epsilon_lower) lines.add("at least", format_number(*epsilon_lower, 6));
  lines.add("delta", format_number(delta));
  lines.add("relation", std::string(to_string(relation)));
  lines.add("accountant", std::string(to_string(accountant)) + " (an upper bound)");
  std::cout << lines.text() << epsilon_in_words(epsilon, delta) << "\n";
  return 0;
}

}  // namespace discreet
