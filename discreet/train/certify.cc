#include "discreet/train/certify.h"

#include <torch/version.h>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/train/mechanism_words.h"

namespace discreet {
namespace {

Phase statistics_phase(const CertifiedRun& run) {
  Phase phase;
  phase.name = "statistics";
  phase.attempts = run.attempts;
  phase.event = *run.statistics;
  phase.delta = run.statistics_delta;
  phase.epsilon = rdp_epsilon(phase.event, run.job.relation, phase.delta);
  return phase;
}

Phase training_phase(const CertifiedRun& run) {
  const Plan& plan = run.training.plan;
  Phase phase;
  phase.name = "training";
  phase.event = run.training.event();
  phase.delta = plan.shares.training_delta;
  phase.accountant = plan.accountant;
  if (phase.accountant == Accountant::kPld) {
    const PldBounds bounds = pld_epsilon(phase.event, run.job.relation, phase.delta);
    phase.epsilon = bounds.upper;
    phase.epsilon_lower = bounds.lower;
  } else {
    phase.epsilon = rdp_epsilon(phase.event, run.job.relation, phase.delta);
  }
  phase.sample_rate = plan.sample_rate;
  phase.noise_multiplier = plan.noise_multiplier;
  phase.clipping = run.training.clipping;
  phase.max_grad_norm = run.training.max_grad_norm;
  phase.normaliser = static_cast<double>(*plan.batch_size);
  phase.steps = plan.steps;
  phase.steps_lost = run.steps_lost;
  return phase;
}

}  // namespace

Certificate certify(const CertifiedRun& run) {
  Certificate certificate;
  if (run.statistics) certificate.phases.push_back(statistics_phase(run));
  certificate.phases.push_back(training_phase(run));
  Guarantee& guarantee = certificate.guarantee;
  for (const Phase& phase : certificate.phases) {
    guarantee.epsilon += phase.epsilon * static_cast<double>(phase.attempts);
    guarantee.delta += phase.delta * static_cast<double>(phase.attempts);
  }
  guarantee.relation = run.job.relation;
  guarantee.is_private = !run.job.seed_for_tests;
  if (run.job.unit) {
    guarantee.unit = {"column", *run.job.unit, run.job.max_rows_per_unit};
  }
  certificate.facts = run.data.facts;
  const bool chosen = run.job.model == "auto";
  certificate.facts.push_back({"model", chosen ? "independent" : "declared",
                               run.training.model + (chosen ? ", by a fixed rule on the facts above" : "")});
  certificate.facts.push_back(
      {"batch size, steps, learning rate, clip",
       run.data.units_source == Source::kPrivate ? "private" : "independent",
       "declared settings, else the preset's by a fixed rule on the facts above, the number of units among "
       "them"});
  certificate.facts.push_back(
      {"best checkpoint, early stopping, plateau schedules", "independent",
       "not used: the last step's averaged weights are the result, whatever they score"});
  if (run.training.clipping == ClippingMode::kAdaptive) {
    certificate.facts.push_back(
        {"clip of every step but the first", "private",
         "follows a quantile of the gradients' norms by a noisy count that is released, "
         "and charged, with each step's sum"});
  }
  certificate.mechanism = mechanism_of(run);
  certificate.not_proven = {
      "The last bits of the floating-point clipped sum depend on which other records are in the batch "
      "(Casacuberta and others 2022); "
      "the lattice's noise is far coarser, but this is not part of the proof.",
      "Per-sample norms of layers with many positions, and sums of many products, are computed in floating "
      "point; the bound on their rounding that the sensitivity includes holds with overwhelming probability "
      "(Higham and Mary 2019), not always.",
      "The noise differs from the ideal Gaussian, rounded, by a statistical distance below 2^-40 over 2^40 "
      "released values; this is not added to delta.",
      "A refusal before the run (a table without any value in a column, with one class only, with a row that "
      "belongs to no unit, or with a damaged structure) is told to the owner and depends on exact records; "
      "nothing of it is in this package.",
      "Fixed features are computed block by block and kept in half precision; their last bits may depend on "
      "the block.",
      "Where a cap made the noise larger, it depends on which data set the ledger recognised these records "
      "as, an "
      "exact comparison that is not part of the guarantee.",
      "Running time, memory use, power draw and what several processes of one run tell each other depend on "
      "the data; an observer of the machine during training is outside the guarantee.",
      "Several settings tried by hand on the same data are separate runs: the ledger adds them, this "
      "certificate is for one."};
  if (run.training.clipping == ClippingMode::kAdaptive) {
    certificate.not_proven.push_back(
        "The count that moves the clip is taken from floating-point norms: the last bits of a norm near the "
        "clip, which may depend on the other records of a batch, change what a unit adds by four times their "
        "share of the clip.");
  }
  certificate.ledger = {run.ledger_run, run.ledger_head};
  certificate.software = {{"discreet", DISCREET_VERSION}, {"libtorch", TORCH_VERSION}};
  return certificate;
}

}  // namespace discreet
