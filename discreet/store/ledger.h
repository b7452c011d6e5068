// Ledger: what was spent on each data set, kept through crashes and concurrent runs.
//
//   std::string dataset = ledger.identify(sketch, "people.csv");
//   std::string run = ledger.reserve({dataset, 3.0, 1e-5, Relation::kAddOrRemoveOne, "row", "people"});
//   ledger.charge_statistics(run, event);         // then release the statistics
//   ledger.set_training(run, event, 292, {2.7, 9e-6});
//   ledger.charge_steps(run, 1);                  // then release step 1, and so on
//   ledger.settle(run, 2.998, 1e-5, sha256);      // with the certificate's numbers
//
// The guarantee: charge first, then release, and charged >= released holds whenever and however a process
// dies. Every call that changes something is one transaction, durable when it returns; when it throws,
// nothing may be released. A cap holds for all runs on a data set together, also where each is planned after
// seeing the results of the others: it is a privacy filter (admission.h). Two processes cannot jointly pass
// it: what a run may release is checked and recorded in one transaction.
//
// Threat model: honest owners, crashing machines, several processes at once. Edited entries and damage are
// noticed at open (kDataLoss); entries cut off at the end, or an older copy put back, at open and before
// every charge where this machine's counter (counter.h) had seen more, else by comparing with a later head().
//
// Every call may throw kUnavailable (locked for longer than the timeout, full disk), kPermissionDenied
// (read-only) and kDataLoss; each message names the ledger. One object belongs to one thread, and is not
// carried into a child process (open another there). Format: docs/ledger.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discreet/accounting/event.h"
#include "discreet/accounting/relation.h"
#include "discreet/store/cost.h"
#include "discreet/store/entry.h"
#include "discreet/store/recognition.h"
#include "discreet/store/record.h"
#include "discreet/store/sketch.h"

namespace discreet {

struct RunRequest {
  std::string dataset;            // id or label
  double epsilon = 0, delta = 0;  // for the whole run: statistics and training; above 0, below 1
  Relation relation = Relation::kAddOrRemoveOne;
  std::string unit;  // "row", or "column NAME"
  std::string name;  // what the owner calls the run
  // The run's id, where it has to be written down before the ledger is asked (new_run_id()); "": the ledger
  // makes one.
  std::string id = {};
  // What the owner calls the data set now; "": as before. Recorded only if the run is reserved.
  std::string label = {};
};

class Ledger {
 public:
  static constexpr int kFormatVersion = 1;
  static constexpr std::chrono::milliseconds kBusyTimeout{5000};
  static constexpr double kSameSimilarity = Recognition::kSame;

  static std::filesystem::path default_path();  // ledger.db in user_data_folder()

  // `where`: a file's path, or postgresql://USER@HOST/DATABASE (docs/ledger.md). Makes the ledger if there is
  // none. kDataLoss for entries that were edited, a damaged file, an older copy that was put back, or an
  // empty or missing file whose key is still there; kUnsupported for a newer format.
  static Ledger open(const std::string& where, std::chrono::milliseconds busy_timeout = kBusyTimeout);
  // Whether there is one already; asking makes none.
  static bool exists(const std::string& where);
  // The owner goes on with an older copy that was put back: recorded. What was charged since is not known, so
  // runs that were under way end and count in full, and caps admit nothing until they are set anew.
  // kInvalidArgument where nothing shows that the ledger was set back.
  static Ledger accept_restored(const std::string& where,
                                std::chrono::milliseconds busy_timeout = kBusyTimeout);
  // Why an older copy that is put back would not be noticed by this user on this machine; "" if it would be.
  std::string counter_trouble() const;
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;
  ~Ledger();

  // An empty sketch under this ledger's key (beside the ledger, PATH.key, made at the first call).
  DatasetSketch new_sketch();
  // What identify() would take the sketch for without the owner's word; records nothing.
  Recognition recognise(const DatasetSketch& sketch) const;
  // Id of the data set that the sketch shows; one never seen is recorded under the label `name`, a known one
  // keeps its label until a run is reserved under another (RunRequest::label). The same id when it was
  // shuffled, renamed, a row added, a tenth removed; unsure counts as same. A data set with records of
  // several known ones merges them: their costs add up from then on. A cap set beforehand under this label,
  // for a data set never seen, is taken over. kInvalidArgument for an empty sketch or label; kNotFound for an
  // unknown same_as.
  std::string identify(const DatasetSketch& sketch, const std::string& name, const Identity& identity = {});

  // Reserves a run's whole budget and returns the run's id. kBudgetExhausted if a cap has no room for it
  // (admission.h); kUnsupported if the cap is for another relation or unit; kAlreadyExists if the id is
  // taken.
  std::string reserve(const RunRequest& request);
  static std::string new_run_id();
  bool has_run(const std::string& id) const;

  // One attempt at the private statistics; a lost result is charged again. kInvalidArgument after
  // set_training, or if the event differs from the first attempt's; kBudgetExhausted if the attempts pass
  // what the run reserved, or a cap.
  void charge_statistics(const std::string& run, const Event& event);
  // The whole training's event and number of steps, once, and its share of what the run reserved, which must
  // follow from what was fixed before the data was read and the number of attempts at the statistics.
  // kBudgetExhausted if the training passes its share (by privacy loss or Renyi divergence, whichever is
  // less) or the statistics pass the rest, and if a cap has no room for the plan: a reservation holds room
  // for a usual plan of its size.
  void set_training(const std::string& run, const Event& event, int64_t steps, const BudgetShare& share);
  // The same for a plan that takes more noise where caps leave no room for `noise`: charged, and returned, is
  // the least noise multiplier from `noise` on, to within a thousandth, that they admit. `plan_at` gives the
  // plan's event for a noise multiplier. There is one for each run that the caps' filters admitted, since its
  // reservation holds room; only a cap that was set, lowered or merged in since can leave none.
  double set_training(const std::string& run, const std::function<Event(double)>& plan_at, double noise,
                      int64_t steps, const BudgetShare& share);
  // Steps 1 to `up_to` are paid for when this returns. Each number is charged once: kInvalidArgument unless
  // charged_steps < up_to <= planned_steps. A resumed run goes on behind charged_steps.
  void charge_steps(const std::string& run, int64_t up_to);
  // The run is over and certified. kInvalidArgument if it reserved less, or charged nothing.
  void settle(const std::string& run, double epsilon, double delta, const std::string& certificate_sha256);
  // The run will not go on. Given up before set_training its own epsilon is what its statistics cost, which
  // is all that it can have released; later, all that it reserved. A cap counts what was charged.
  void give_up(const std::string& run);

  // The cap of a data set (id or label); an unknown label is kept for the first data set that is
  // identified under it. One that is lowered after runs holds beside the earlier one, which still does; one
  // that is raised takes its place, which is recorded. kUnsupported if runs under another relation or unit
  // count.
  void set_cap(const std::string& dataset, double epsilon, double delta, Relation relation,
               const std::string& unit);

  RunRecord run(const std::string& id) const;   // kNotFound
  std::vector<DatasetRecord> datasets() const;  // oldest first
  // By id or label; kNotFound with the nearest label, kInvalidArgument if a label stands for several.
  DatasetRecord dataset(const std::string& id_or_label) const;
  std::vector<Entry> history() const;  // oldest first; the bodies of sketches are left out
  std::string head() const;            // hash over everything recorded so far

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace discreet
