#include "discreet/store/admission.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/store/cost.h"

namespace discreet {
namespace {

constexpr double kMostNoise = 1e6, kNearNoise = 1.001;
constexpr double kLargestNoise = 1e9;  // that an event may have
constexpr double kRounding = 1e-12;    // decimal fractions are not exact in binary

RenyiCost cost_of(const DatasetRecord& dataset, const PrivacyFilter& filter) {
  RenyiCost sum{std::vector<double>(filter.orders().size(), 0)};
  for (const RunRecord& run : dataset.runs)
    if (run.counts()) sum.add(cost_at(run, filter.orders()));
  return sum;
}

// The run that was admitted by its own certificate under this cap.
const RunRecord* closing_run(const DatasetRecord& dataset, const Cap& cap) {
  const auto found = std::find_if(dataset.runs.begin(), dataset.runs.end(), [&](const RunRecord& run) {
    return run.closes_cap && run.counts() && run.entry > cap.entry;
  });
  return found == dataset.runs.end() ? nullptr : &*found;
}

std::string cap_words(const DatasetRecord& dataset) {
  const auto cap = *dataset.cap();
  return "the cap of \"" + dataset.name + "\", epsilon " + format_number(cap.epsilon, 6) + " at delta " +
         format_number(cap.delta, 6);
}

void check_terms(const DatasetRecord& dataset, const RunRecord& run) {
  const Cap& cap = dataset.caps.back();
  if (dataset.cap_closed()) {
    throw Error(ErrorKind::kBudgetExhausted,
                cap_words(dataset) +
                    ", is closed: an older copy of the ledger was put back, and what had been charged since "
                    "is not known; a cap that is set now (discreet budget set) counts only what is known");
  }
  if (cap.relation != run.relation || cap.unit != run.unit) {
    throw Error(ErrorKind::kUnsupported, "the cap of \"" + dataset.name + "\" counts runs under " +
                                             terms(cap.relation, cap.unit) + "; this run is under " +
                                             terms(run.relation, run.unit));
  }
  if (!dataset.spent()) {
    throw Error(ErrorKind::kUnsupported,
                "\"" + dataset.name + "\" has runs under several relations or units, which a cap cannot add");
  }
}

}  // namespace

bool within_caps(const DatasetRecord& dataset, const RunRecord& run) {
  return std::all_of(dataset.caps.begin(), dataset.caps.end(), [&](const Cap& cap) {
    if (cap.closed) return false;
    if (const RunRecord* closing = closing_run(dataset, cap)) return closing->id == run.id;
    return cap.filter.fits(cost_of(dataset, cap.filter));
  });
}

double noise_with_room(DatasetRecord dataset, const RunRecord& run,
                       const std::function<Event(double)>& plan_at, double noise) {
  if (dataset.caps.empty()) return noise;
  const auto own = std::find_if(dataset.runs.begin(), dataset.runs.end(),
                                [&](const RunRecord& one) { return one.id == run.id; });
  *own = run;
  const auto admitted = [&](double multiplier) {
    own->training_event = plan_at(multiplier).to_json();
    return within_caps(dataset, *own);
  };
  // A plan whose noise cannot be chosen comes with 0.
  if (admitted(noise) || !(noise > 0 && 2 * noise <= kLargestNoise)) return noise;
  double low = noise, high = 2 * noise;
  for (; !admitted(high); low = high, high *= 2)
    if (!(2 * high <= std::min(kMostNoise * noise, kLargestNoise))) return noise;
  while (high > kNearNoise * low) {
    const double middle = (low + high) / 2;
    (admitted(middle) ? high : low) = middle;
  }
  return high;
}

Admission admission(const DatasetRecord& dataset) {
  const RunRecord& run = dataset.runs.back();
  const bool certified = std::all_of(dataset.caps.begin(), dataset.caps.end(), [&](const Cap& cap) {
    return !cap.closed && run.epsilon <= cap.epsilon * (1 + kRounding) &&
           run.delta <= cap.delta * (1 + kRounding);
  });
  if (!certified) return Admission::kRefused;  // even by itself
  if (within_caps(dataset, run)) return Admission::kByFilter;
  const bool alone = std::none_of(dataset.runs.begin(), dataset.runs.end() - 1,
                                  [](const RunRecord& other) { return other.counts(); });
  return alone ? Admission::kByCertificate : Admission::kRefused;
}

Admission check_admitted(const DatasetRecord& dataset, const RunRecord& asked) {
  if (dataset.caps.empty()) return Admission::kByFilter;
  check_terms(dataset, asked);
  DatasetRecord after = dataset;
  after.runs.push_back(asked);
  after.runs.back().status = "reserved";
  const Admission admitted = admission(after);
  if (admitted != Admission::kRefused) return admitted;
  const double left = largest_further_run(dataset, dataset.cap()->delta);
  throw Error(ErrorKind::kBudgetExhausted, cap_words(dataset) + ", " +
                                               (left > 0 ? "leaves room for a run of up to about epsilon " +
                                                               format_number(left, 3) + " at that delta"
                                                         : std::string("is used up")) +
                                               "; the run asks for epsilon " +
                                               format_number(asked.epsilon, 6) + " at delta " +
                                               format_number(asked.delta, 6));
}

void check_within_caps(DatasetRecord dataset, const RunRecord& run, const std::string& what) {
  if (dataset.caps.empty()) return;
  for (RunRecord& one : dataset.runs)
    if (one.id == run.id) one = run;
  check_terms(dataset, run);
  if (within_caps(dataset, run)) return;
  throw Error(
      ErrorKind::kBudgetExhausted,
      cap_words(dataset) + ", leaves no room for " + what + " of run " + run.id +
          ", which cost more than a usual run of its size: take more noise or fewer steps, or give it up "
          "(discreet budget give-up)");
}

double largest_further_run(const DatasetRecord& dataset, double delta) {
  DatasetRecord after = dataset;
  RunRecord& run = after.runs.emplace_back();
  run.status = "reserved";
  run.delta = delta;
  const auto admitted = [&](double epsilon) {
    run.epsilon = epsilon;
    return admission(after) != Admission::kRefused;
  };
  double high = dataset.cap()->epsilon, low = 0;
  if (admitted(high)) return high;
  for (int halvings = 0; halvings < 12; ++halvings) {
    const double middle = (low + high) / 2;
    (admitted(middle) ? low : high) = middle;
  }
  return low;
}

double used_share(const DatasetRecord& dataset) {
  double used = 0;
  for (const Cap& cap : dataset.caps)
    used = std::max(used, cap.closed ? std::numeric_limits<double>::infinity()
                          : closing_run(dataset, cap) != nullptr
                              ? 1
                              : cap.filter.used(cost_of(dataset, cap.filter)));
  return used;
}

std::optional<double> together(const DatasetRecord& dataset) {
  const bool counted = std::any_of(dataset.runs.begin(), dataset.runs.end(),
                                   [](const RunRecord& run) { return run.counts(); });
  if (!counted || !dataset.spent() || dataset.charges_lost) return std::nullopt;
  for (const double epsilon : kLadder) {
    const PrivacyFilter rung(epsilon, kLadderDelta / std::size(kLadder));
    if (rung.fits(cost_of(dataset, rung))) return epsilon;
  }
  return std::nullopt;
}

}  // namespace discreet
