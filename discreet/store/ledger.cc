#include "discreet/store/ledger.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>

#include "discreet/base/file.h"
#include "discreet/base/random.h"
#include "discreet/base/text.h"
#include "discreet/store/admission.h"
#include "discreet/store/counter.h"
#include "discreet/store/entry_store.h"
#include "discreet/store/state.h"

namespace discreet {
namespace {

constexpr double kRounding = 1e-12;  // sums of decimal fractions are not exact in binary

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm parts;
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string fresh_id(char letter) {
  char text[24];
  std::snprintf(text, sizeof text, "%c%016llx", letter,
                static_cast<unsigned long long>(RandomStream::from_kernel().next()));
  return text;
}

void check_amounts(double epsilon, double delta, const std::string& unit) {
  if (!(epsilon > 0) || !std::isfinite(epsilon)) {
    throw Error(ErrorKind::kInvalidArgument, "epsilon must be a finite number above 0");
  }
  if (!(delta >= 0 && delta < 1))
    throw Error(ErrorKind::kInvalidArgument, "delta must be at least 0 and below 1");
  if (unit.empty())
    throw Error(ErrorKind::kInvalidArgument, "the unit of privacy is missing: \"row\" or \"column NAME\"");
}

void check_label(const std::string& label) {
  if (label.empty() || label.size() > 200 ||
      std::any_of(label.begin(), label.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    throw Error(ErrorKind::kInvalidArgument,
                "the name of a data set must have 1 to 200 bytes and no control characters");
  }
}

}  // namespace

struct Ledger::Impl {
  std::unique_ptr<EntryStore> store;
  mutable LedgerState state;
  std::optional<LedgerCounter> counter;  // once the ledger's id is known

  explicit Impl(std::unique_ptr<EntryStore> where) : store(std::move(where)) {}

  // Messages of the rules name the ledger too.
  template <typename Work>
  auto named(Work&& work) const {
    try {
      return work();
    } catch (const Error& error) {
      const std::string message = error.what(), &name = store->name();
      throw Error(error.kind(), message.starts_with(name) ? message : name + ": " + message);
    }
  }

  void check_format() {
    if (store->format() == 0) {
      EntryStore::Transaction transaction(*store);
      if (store->format() == 0) {  // no other process was first
        store->create(kFormatVersion);
        append("ledger", fresh_id('l'), "{}");
        transaction.commit();
      }
    }
    if (const int64_t version = store->format(); version != kFormatVersion) {
      throw Error(ErrorKind::kUnsupported, "it has format version " + std::to_string(version) +
                                               "; this program reads version " +
                                               std::to_string(kFormatVersion));
    }
  }

  // Reads it all, or makes it where there is none.
  void load() {
    check_format();
    refresh();
    counter.emplace(state.id());
  }

  // Takes in what this or another process appended since the last look.
  void refresh() {
    if (state.count() > 0 && store->hash_of(state.count()) != state.head())
      throw Error(ErrorKind::kDataLoss, "entries were removed or exchanged while it was open");
    store->for_each_after(state.count(), [&](const Entry& entry) { state.apply(entry); });
  }

  // Whether the ledger goes on from what was seen, or the owner accepted that it does not.
  bool follows(const Extent& seen) const {
    if (seen.entries <= state.count() && store->hash_of(seen.entries) == seen.head) return true;
    const std::vector<Extent>& abandoned = state.restorations();
    return std::find(abandoned.begin(), abandoned.end(), seen) != abandoned.end();
  }

  // `seen` must have been read before the last refresh(), or within a transaction.
  void check_follows(const std::optional<Extent>& seen) const {
    if (!seen || follows(*seen)) return;
    throw Error(ErrorKind::kDataLoss,
                std::string("it was set back to an older or another copy: ") +
                    (seen->entries > state.count()
                         ? "it has " + std::to_string(state.count()) + " entries, and had " +
                               std::to_string(seen->entries)
                         : "its entry " + std::to_string(seen->entries) + " is not the one that was there") +
                    " (" + counter->path().string() +
                    "); what was charged since is missing from it, so that caps cannot hold: put back the "
                    "newest copy, or if there is none see discreet budget accept-restored --help");
  }

  // The ledger's committed entries have now been seen on this machine.
  void note_seen() { counter->advance(state.extent(), state.restorations()); }

  void append(const std::string& kind, const std::string& subject, const std::string& body,
              int64_t amount = 0) {
    Entry entry{state.count() + 1, now(), kind, subject, amount, body, ""};
    entry.hash = chain_hash(entry, state.head());
    store->append(entry);
    state.apply(entry);
  }

  // One transaction: look, decide, append. After an error the state is read anew from the file.
  template <typename Work>
  auto write(Work&& work) {
    return named([&] {
      try {
        EntryStore::Transaction transaction(*store);
        refresh();
        check_follows(counter->read());
        if constexpr (std::is_void_v<decltype(work())>) {
          work();
          transaction.commit();
          note_seen();
        } else {
          auto result = work();
          transaction.commit();
          note_seen();
          return result;
        }
      } catch (...) {
        state = LedgerState();
        throw;
      }
    });
  }

  template <typename Work>
  auto read(Work&& work) {
    return named([&] {
      refresh();
      return work();
    });
  }

  const RunRecord& find_run(const std::string& id) const {
    const auto found = state.runs().find(id);
    if (found == state.runs().end()) throw Error(ErrorKind::kNotFound, "no run " + id);
    return found->second;
  }

  const RunRecord& open_run(const std::string& id) const {
    const RunRecord& run = find_run(id);
    if (run.status != "reserved") {
      throw Error(ErrorKind::kInvalidArgument,
                  "run " + id + " is " + run.status + ": nothing more can be charged");
    }
    return run;
  }

  void merge(const std::string& kept, const std::string& other) {
    const auto& left = state.datasets().at(kept).record;
    const auto& right = state.datasets().at(other).record;
    if (!left.caps.empty() && !right.caps.empty() &&
        (left.caps[0].relation != right.caps[0].relation || left.caps[0].unit != right.caps[0].unit)) {
      throw Error(ErrorKind::kUnsupported,
                  "the data holds records of both \"" + left.name + "\" and \"" + right.name +
                      "\", whose caps (" + terms(left.caps[0].relation, left.caps[0].unit) + "; " +
                      terms(right.caps[0].relation, right.caps[0].unit) + ") cannot be added");
    }
    append("merge", kept, Json{{"dataset", other}}.dump());
  }
};

std::filesystem::path Ledger::default_path() {
  return user_data_folder() / "ledger.db";
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;
Ledger::~Ledger() = default;

Ledger Ledger::open(const std::string& where, std::chrono::milliseconds busy_timeout) {
  auto impl = std::make_unique<Impl>(EntryStore::open(where, busy_timeout));
  impl->named([&] {
    impl->load();
    const auto seen = impl->counter->read();
    impl->refresh();  // what another process appended before it moved the counter
    impl->check_follows(seen);
    impl->note_seen();
  });
  return Ledger(std::move(impl));
}

Ledger Ledger::accept_restored(const std::string& where, std::chrono::milliseconds busy_timeout) {
  auto impl = std::make_unique<Impl>(EntryStore::open(where, busy_timeout));
  impl->named([&] {
    impl->load();
    EntryStore::Transaction transaction(*impl->store);
    impl->refresh();
    const auto seen = impl->counter->read();
    if (!seen || impl->follows(*seen)) {
      throw Error(ErrorKind::kInvalidArgument,
                  "nothing to accept: as far as this user on this machine has seen it, it was not set back");
    }
    impl->append("restored", impl->state.id(), Json{{"entries", seen->entries}, {"head", seen->head}}.dump());
    transaction.commit();
    impl->note_seen();
  });
  return Ledger(std::move(impl));
}

std::string Ledger::counter_trouble() const {
  return impl_->counter->trouble();
}

bool Ledger::exists(const std::string& where) {
  if (!EntryStore::is_url(where)) return std::filesystem::exists(where);
  return EntryStore::open(where, kBusyTimeout)->format() != 0;
}

DatasetSketch Ledger::new_sketch() {
  return impl_->read([&] {
    const auto& datasets = impl_->state.datasets();
    const bool needed = std::any_of(datasets.begin(), datasets.end(),
                                    [](const auto& dataset) { return !dataset.second.sketches.empty(); });
    if (needed && !std::filesystem::exists(impl_->store->key_path())) {
      throw Error(ErrorKind::kNotFound,
                  "its key " + impl_->store->key_path().string() +
                      " is not there: data sets cannot be recognised without it; put back a copy of it");
    }
    return DatasetSketch(SketchKey::load_or_create(impl_->store->key_path()));
  });
}

Recognition Ledger::recognise(const DatasetSketch& sketch) const {
  return impl_->read([&] {
    return discreet::recognise(impl_->state, SketchKey::load_or_create(impl_->store->key_path()), sketch);
  });
}

std::string Ledger::identify(const DatasetSketch& sketch, const std::string& name, const Identity& identity) {
  check_label(name);
  if (sketch.empty()) throw Error(ErrorKind::kInvalidArgument, "the data set has no records");
  if (identity.new_dataset && !identity.same_as.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "a data set is either new or the same as another");
  }
  return impl_->write([&] {
    const SketchKey key = SketchKey::load_or_create(impl_->store->key_path());
    const std::string same = identity.same_as.empty() ? "" : impl_->state.find_dataset(identity.same_as);
    const Recognition recognition =
        identity.new_dataset ? Recognition() : discreet::recognise(impl_->state, key, sketch);
    std::vector<std::string> matches;
    for (const std::string& id : impl_->state.dataset_ids()) {
      const auto& dataset = impl_->state.datasets().at(id);
      // Named before it was seen (a cap set beforehand), named by the owner, or recognised.
      bool match = id == same || (dataset.sketches.empty() && dataset.record.name == name);
      for (const auto& known : recognition.known) match |= known.id == id;
      if (match) matches.push_back(id);
    }
    if (matches.empty()) {
      matches.push_back(fresh_id('d'));
      impl_->append("dataset", matches.front(), Json{{"name", name}}.dump());
    }
    const std::string id = matches.front();
    for (size_t other = 1; other < matches.size(); ++other) impl_->merge(id, matches[other]);
    if (!recognition.exact) impl_->append("sketch", id, sketch.seal());
    return id;
  });
}

std::string Ledger::reserve(const RunRequest& request) {
  check_amounts(request.epsilon, request.delta, request.unit);
  if (!request.label.empty()) check_label(request.label);
  return impl_->write([&] {
    const DatasetRecord dataset = impl_->state.record(impl_->state.find_dataset(request.dataset));
    RunRecord asked;
    asked.epsilon = request.epsilon;
    asked.delta = request.delta;
    asked.relation = request.relation;
    asked.unit = request.unit;
    const Admission admitted = check_admitted(dataset, asked);
    const std::string run = request.id.empty() ? new_run_id() : request.id;
    if (impl_->state.runs().contains(run))
      throw Error(ErrorKind::kAlreadyExists, "run " + run + " is reserved already");
    impl_->append("reserve", run,
                  Json{{"dataset", dataset.id},
                       {"name", request.name},
                       {"epsilon", request.epsilon},
                       {"delta", request.delta},
                       {"relation", to_string(request.relation)},
                       {"unit", request.unit},
                       {"closes_cap", admitted == Admission::kByCertificate}}
                      .dump());
    if (!request.label.empty() && request.label != dataset.name) {
      impl_->append("name", dataset.id, Json{{"name", request.label}}.dump());
    }
    return run;
  });
}

std::string Ledger::new_run_id() {
  return fresh_id('r');
}

void Ledger::charge_statistics(const std::string& id, const Event& event) {
  impl_->write([&] {
    const RunRecord& run = impl_->open_run(id);
    if (!run.training_event.is_null()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "run " + id + " has its training plan: its statistics cannot be taken again");
    }
    if (run.statistics_attempts > 0 && run.statistics_event != event.to_json()) {
      throw Error(ErrorKind::kInvalidArgument,
                  "run " + id + " charged other statistics before: the event is fixed");
    }
    RunRecord after = run;
    after.statistics_event = event.to_json();
    ++after.statistics_attempts;
    check_statistics_covered(after);
    check_within_caps(impl_->state.record(run.dataset), after, "the private statistics");
    impl_->append("statistics", id, Json{{"event", event.to_json()}}.dump());
  });
}

void Ledger::set_training(const std::string& id, const Event& event, int64_t steps,
                          const BudgetShare& share) {
  set_training(
      id, [&](double) { return event; }, 0, steps, share);
}

double Ledger::set_training(const std::string& id, const std::function<Event(double)>& plan_at, double noise,
                            int64_t steps, const BudgetShare& share) {
  if (steps < 1) throw Error(ErrorKind::kInvalidArgument, "the number of steps must be at least 1");
  return impl_->write([&] {
    RunRecord run = impl_->open_run(id);
    if (!run.training_event.is_null()) {
      throw Error(ErrorKind::kInvalidArgument, "run " + id + " has its training plan already: it is fixed");
    }
    run.planned_steps = steps;
    const DatasetRecord dataset = impl_->state.record(run.dataset);
    const double taken = noise_with_room(dataset, run, plan_at, noise);
    run.training_event = plan_at(taken).to_json();
    check_covered(run, share);
    check_within_caps(dataset, run, "the training plan");
    impl_->append(
        "training", id,
        Json{{"event", run.training_event}, {"epsilon", share.epsilon}, {"delta", share.delta}}.dump(),
        steps);
    return taken;
  });
}

void Ledger::charge_steps(const std::string& id, int64_t up_to) {
  impl_->write([&] {
    const RunRecord& run = impl_->open_run(id);
    if (up_to <= run.charged_steps || up_to > run.planned_steps) {
      throw Error(ErrorKind::kInvalidArgument, "run " + id + " cannot charge step " + std::to_string(up_to) +
                                                   ": it charged " + std::to_string(run.charged_steps) +
                                                   " of " + std::to_string(run.planned_steps) +
                                                   " planned steps, and each step is charged once");
    }
    impl_->append("steps", id, "", up_to);
  });
}

void Ledger::settle(const std::string& id, double epsilon, double delta,
                    const std::string& certificate_sha256) {
  check_amounts(epsilon, delta, "row");
  impl_->write([&] {
    const RunRecord& run = impl_->open_run(id);
    if (!run.anything_charged()) {
      throw Error(ErrorKind::kInvalidArgument, "run " + id + " charged nothing: give it up instead");
    }
    if (epsilon > run.epsilon * (1 + kRounding) || delta > run.delta * (1 + kRounding)) {
      throw Error(ErrorKind::kInvalidArgument,
                  "run " + id + " cannot settle for epsilon " + format_number(epsilon, 6) + ", delta " +
                      format_number(delta, 6) + ": it reserved epsilon " + format_number(run.epsilon, 6) +
                      ", delta " + format_number(run.delta, 6));
    }
    impl_->append("settle", id,
                  Json{{"epsilon", epsilon}, {"delta", delta}, {"certificate", certificate_sha256}}.dump());
  });
}

void Ledger::give_up(const std::string& id) {
  impl_->write([&] {
    const RunRecord& run = impl_->open_run(id);
    std::string body;
    // Without a training plan no step can have been charged: the statistics are all that was released.
    if (run.training_event.is_null() && run.statistics_attempts > 0) {
      const double share = share_of_statistics(run);
      body = Json{{"epsilon", share * run.epsilon}, {"delta", share * run.delta}}.dump();
    }
    impl_->append("give-up", id, body);
  });
}

void Ledger::set_cap(const std::string& dataset, double epsilon, double delta, Relation relation,
                     const std::string& unit) {
  check_amounts(epsilon, delta, unit);
  check_label(dataset);
  impl_->write([&] {
    std::string id;
    try {
      id = impl_->state.find_dataset(dataset);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNotFound) throw;
      id = fresh_id('d');
      impl_->append("dataset", id, Json{{"name", dataset}}.dump());
    }
    const DatasetRecord record = impl_->state.record(id);
    bool counted = false;
    for (const RunRecord& run : record.runs) {
      if (!run.counts()) continue;
      counted = true;
      if (run.relation != relation || run.unit != unit) {
        throw Error(ErrorKind::kUnsupported, "run " + run.id + " of \"" + record.name + "\" is under " +
                                                 terms(run.relation, run.unit) + "; a cap under " +
                                                 terms(relation, unit) + " cannot count it");
      }
    }
    const auto cap = record.cap();
    const bool raised = counted && cap && (epsilon > cap->epsilon || delta > cap->delta);
    impl_->append("cap", id,
                  Json{{"epsilon", epsilon},
                       {"delta", delta},
                       {"relation", to_string(relation)},
                       {"unit", unit},
                       {"filter", PrivacyFilter(epsilon, delta).to_json()},
                       {"set_after_runs", counted},
                       {"raised_after_runs", raised}}
                      .dump());
  });
}

RunRecord Ledger::run(const std::string& id) const {
  return impl_->read([&] { return impl_->find_run(id); });
}

bool Ledger::has_run(const std::string& id) const {
  return impl_->read([&] { return impl_->state.runs().contains(id); });
}

std::vector<DatasetRecord> Ledger::datasets() const {
  return impl_->read([&] {
    std::vector<DatasetRecord> records;
    for (const std::string& id : impl_->state.dataset_ids()) records.push_back(impl_->state.record(id));
    return records;
  });
}

DatasetRecord Ledger::dataset(const std::string& id_or_label) const {
  return impl_->read([&] { return impl_->state.record(impl_->state.find_dataset(id_or_label)); });
}

std::vector<Entry> Ledger::history() const {
  return impl_->read([&] {
    std::vector<Entry> entries;
    impl_->store->for_each_after(0, [&](Entry entry) {
      if (entry.kind == "sketch") entry.body.clear();
      entries.push_back(std::move(entry));
    });
    return entries;
  });
}

std::string Ledger::head() const {
  return impl_->read([&] { return impl_->state.head(); });
}

}  // namespace discreet
