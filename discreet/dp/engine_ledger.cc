// What an engine that was given a ledger writes there: the run, its steps before they are released, its end.
#include "discreet/accounting/accountant.h"
#include "discreet/base/error.h"
#include "discreet/dp/engine_state.h"
#include "discreet/store/sketch.h"

namespace discreet {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

}  // namespace

void PrivacyEngine::State::charge(int64_t step) {
  if (ledger) ledger->charge_steps(ledger_run, step);
  if (options.charge) options.charge(step);
  steps = step;  // from here on it counts, whatever happens
}

void PrivacyEngine::State::settle_after(int64_t step) {
  if (!ledger || step != options.ledger_steps) return;
  const RunRecord run = ledger->run(ledger_run);
  ledger->settle(ledger_run, run.epsilon, run.delta, "");  // no certificate: the engine makes no package
}

// The first data set is the one that the run is reserved for; every other one has to be recognised as it.
void PrivacyEngine::State::enter_in_ledger(const Rows& rows) {
  const bool units = !rows.units.empty();
  if (units && options.ledger_unit_column.empty())
    refuse("ledger_unit_column must name the column of the units: a ledger adds up runs of one unit only");
  if (!ledger) ledger.emplace(Ledger::open(options.ledger));
  DatasetSketch sketch = ledger->new_sketch();
  rows.for_each_record([&](const std::string& bytes) { sketch.add(bytes); });
  if (ledger_sketch) {
    if (ledger_sketch->similarity(sketch) < Ledger::kSameSimilarity)
      refuse("loader(): this run is charged to '" + options.ledger_dataset +
             "', and this is another data set: make another engine for it");
    return;
  }
  const Event plan = Event::repeated(step_event(), options.ledger_steps);
  if (!options.ledger_run.empty()) {
    go_on_in_ledger(plan, sketch);
    ledger_sketch.emplace(std::move(sketch));
    return;
  }
  const double epsilon = tightest_epsilon(plan, options.relation, options.ledger_delta).epsilon;
  ledger_run = ledger->reserve({.dataset = ledger->identify(sketch, options.ledger_dataset),
                                .epsilon = epsilon,
                                .delta = options.ledger_delta,
                                .relation = options.relation,
                                .unit = units ? "column " + options.ledger_unit_column : "row",
                                .name = options.ledger_dataset,
                                .label = options.ledger_dataset});
  try {
    ledger->set_training(ledger_run, plan, options.ledger_steps, {epsilon, options.ledger_delta});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kBudgetExhausted) ledger->give_up(ledger_run);  // nothing was released
    throw;
  }
  ledger_sketch.emplace(std::move(sketch));
}

void PrivacyEngine::State::go_on_in_ledger(const Event& plan, const DatasetSketch& sketch) {
  const RunRecord run = ledger->run(options.ledger_run);
  const std::string name = "ledger_run '" + options.ledger_run + "'";
  if (run.status != "reserved") refuse(name + " is over (" + run.status + "): it cannot go on");
  if (run.planned_steps != options.ledger_steps || run.relation != options.relation ||
      run.delta != options.ledger_delta || Event::from_json(run.training_event) != plan)
    refuse(name +
           " is another training: batch_size, sample_size, noise_multiplier, relation, ledger_steps and "
           "ledger_delta must be as they were");
  if (ledger->dataset(run.dataset).id != ledger->dataset(ledger->identify(sketch, options.ledger_dataset)).id)
    refuse("loader(): " + name + " is charged to another data set than this one");
  if (run.charged_steps < options.steps_before)
    throw Error(ErrorKind::kDataLoss,
                name + " has fewer charged steps than steps_before: the ledger is older");
  ledger_run = run.id;
  steps = run.charged_steps;
}

}  // namespace discreet
