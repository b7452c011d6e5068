#include "discreet/train/train.h"

#include <poll.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "discreet/accounting/calibrate.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/hash.h"
#include "discreet/base/interrupt.h"
#include "discreet/base/random.h"
#include "discreet/base/text.h"
#include "discreet/package/keys.h"
#include "discreet/package/package.h"
#include "discreet/package/verify.h"
#include "discreet/report/card.h"
#include "discreet/report/plot.h"
#include "discreet/store/ledger.h"
#include "discreet/train/certify.h"
#include "discreet/train/few_records.h"
#include "discreet/train/loop.h"
#include "discreet/train/private_data.h"
#include "discreet/train/publish.h"
#include "discreet/train/resumed_plan.h"
#include "discreet/train/run_folder.h"
#include "discreet/train/training_plan.h"
#include "discreet/train/worker.h"
#include "discreet/train/workers.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

// Removes a new run's folder unless its budget was reserved: bad input leaves nothing behind.
class RemoveUnlessReserved {
 public:
  explicit RemoveUnlessReserved(RunFolder& folder) : folder_(folder) {}
  ~RemoveUnlessReserved() {
    if (!reserved) folder_.remove();
  }
  bool reserved = false;

 private:
  RunFolder& folder_;
};

Ledger open_ledger(const TrainJob& job) {
  Ledger ledger = Ledger::open(job.ledger ? *job.ledger : Ledger::default_path().string());
  if (const std::string trouble = ledger.counter_trouble(); !trouble.empty()) {
    std::cerr << "warning: an older copy of the ledger that is put back would not be noticed here: "
              << trouble << "\n";
  }
  return ledger;
}

// A line that is typed at the terminal, nothing at its end. kInterrupted at Ctrl-C.
std::optional<std::string> typed_line() {
  pollfd terminal{STDIN_FILENO, POLLIN, 0};
  constexpr int kLookAgain = 100;  // milliseconds
  do {
    if (interrupted()) throw Error(ErrorKind::kInterrupted, "stopped before anything was charged");
  } while (::poll(&terminal, 1, kLookAgain) <= 0);
  std::string line;
  return std::getline(std::cin, line) ? std::optional(line) : std::nullopt;
}

// The owner's word from the flags; where they say nothing and the ledger is in doubt, from the terminal, and
// from nowhere else: how much is shared is private.
Identity identity_of(const TrainJob& job, const Ledger& ledger, const DatasetSketch& sketch) {
  const Identity said{job.same_as.value_or(""), job.new_dataset};
  if (!said.same_as.empty() || said.new_dataset) return said;
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) return said;
  const Recognition recognition = ledger.recognise(sketch);
  return recognition.in_doubt ? ask_same_or_new(recognition, typed_line, std::cerr) : said;
}

// A digest of every record under the run's secret key: tells a resumed run that its data changed, and nobody
// else anything.
std::string digest_of(const PrivateData& data, const std::string& key) {
  std::string digest = sha256_hex(key);
  std::string block;
  const auto fold = [&] {
    digest = sha256_hex(digest + block);
    block.clear();
  };
  data.for_each_record([&](std::string_view record) {
    block += std::to_string(record.size());
    block += ':';
    block += record;
    if (block.size() > (1 << 20)) fold();
  });
  fold();
  return digest;
}

void reserve(RunFolder& folder, Ledger& ledger, const PrivateData& data) {
  const TrainJob& job = folder.job();
  DatasetSketch sketch = ledger.new_sketch();
  data.for_each_record([&](std::string_view record) { sketch.add(record); });
  const std::string dataset = ledger.identify(sketch, job.name, identity_of(job, ledger, sketch));
  const std::string known = ledger.dataset(dataset).name;
  folder.store_digest(digest_of(data, folder.split_key()));
  ledger.reserve({.dataset = dataset,
                  .epsilon = job.epsilon,
                  .delta = job.delta,
                  .relation = job.relation,
                  .unit = job.unit ? "column " + *job.unit : "row",
                  .name = job.out.stem().string(),
                  .id = folder.run_id(),
                  .label = job.name});
  if (known != job.name) {
    std::cerr << "note: the ledger recognised these records as '" << known << "', whose runs count together; "
              << "the data set is now called '" << job.name << "' there\n";
  }
}

// The statistics of a run: declared away, found stored, or charged and drawn. `attempts` counts what was
// paid.
Json obtain_facts(RunFolder& folder, Ledger& ledger, const PrivateData& data,
                  const std::optional<Event>& event, double share, int64_t& attempts) {
  const TrainJob& job = folder.job();
  RandomStream random =
      job.seed_for_tests ? RandomStream::for_tests(*job.seed_for_tests) : RandomStream::from_kernel();
  const RunRecord record = ledger.run(folder.run_id());
  attempts = record.statistics_attempts;
  if (event && attempts > 0 && !(Event::from_json(record.statistics_event) == *event)) {
    throw Error(
        ErrorKind::kDataLoss,
        folder.path().string() + ": the ledger was charged for other statistics than this program draws");
  }
  if (const std::optional<Json> stored = folder.facts()) {
    if (event && attempts == 0) {
      throw Error(ErrorKind::kDataLoss,
                  folder.path().string() +
                      ": the ledger knows nothing of the statistics that are stored here; it was set back");
    }
    // A release that told too little is told again, not paid for again (end_refused).
    if (stored->contains("refused"))
      throw Error(ErrorKind::kInvalidArgument, stored->at("refused").get<std::string>());
    return *stored;
  }
  if (event) {
    if (static_cast<double>(attempts + 1) * share > 0.5) {
      throw Error(ErrorKind::kBudgetExhausted, "the private statistics were lost in " +
                                                   std::to_string(attempts) +
                                                   " crashes, and paying for them again would leave less "
                                                   "than half of the budget for training; start a new run");
    }
    ledger.charge_statistics(folder.run_id(), *event);
    ++attempts;
  }
  try {
    const Json facts = data.estimate(random);
    folder.store_facts(facts);
    return facts;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInvalidArgument) folder.store_facts({{"refused", error.what()}});
    throw;
  }
}

// A release that told too little to train on ends its run: what it cost stays charged, the rest does not.
[[noreturn]] void end_refused(RunFolder& folder, Ledger& ledger, const PrivateData& data,
                              const std::string& reason) {
  if (ledger.run(folder.run_id()).status == "reserved") ledger.give_up(folder.run_id());
  const RunRecord record = ledger.run(folder.run_id());
  folder.remove();
  throw Error(ErrorKind::kInvalidArgument,
              reason + ". The run has ended; its statistics stay charged: epsilon " +
                  format_number(record.counted_epsilon()) + ", delta " +
                  format_number(record.counted_delta()) +
                  ". What is declared costs nothing: --schema FILE, where FILE holds " + data.declaration());
}

// Before anything is reserved: what the statistics will release, or nothing where everything is declared.
std::optional<Event> fix_statistics(const TrainJob& job, PrivateData& data, double share) {
  const double epsilon = share * job.epsilon, delta = share * job.delta;
  if (epsilon < kMinTargetEpsilon) {
    throw Error(ErrorKind::kInvalidArgument, "--epsilon times --statistics-share: allowed is at least " +
                                                 format_number(kMinTargetEpsilon) + ", not " +
                                                 format_number(epsilon));
  }
  std::optional<Event> event = data.set_budget(statistics_budget(job, share));
  if (event && rdp_epsilon(*event, job.relation, delta) > epsilon) {
    throw Error(ErrorKind::kUnsupported, "the private statistics do not fit their share of the budget");
  }
  return event;
}

TrainResult result_of(const fs::path& package, const fs::path& owner_page) {
  const Certificate certificate = parse_certificate(read_package_file(package, "privacy.json"));
  TrainResult result;
  result.package = package;
  result.owner_page = owner_page;
  result.epsilon = certificate.guarantee.epsilon;
  result.delta = certificate.guarantee.delta;
  result.relation = to_string(certificate.guarantee.relation);
  result.unit = certificate.guarantee.unit.kind == "row"
                    ? "one row"
                    : "all rows of one " + *certificate.guarantee.unit.column;
  result.is_private = certificate.guarantee.is_private;
  result.steps = *certificate.phases.back().steps;
  result.steps_lost = *certificate.phases.back().steps_lost;
  return result;
}

// The last two steps, alone where a crash came between the package and the ledger.
TrainResult settle(RunFolder& folder, Ledger& ledger) {
  const fs::path package = folder.job().out;
  const std::string text = read_package_file(package, "privacy.json");
  const Certificate certificate = parse_certificate(text);
  if (certificate.ledger.run != folder.run_id()) {
    throw Error(ErrorKind::kAlreadyExists,
                package.string() + ": is another run's package; move it away to resume this run");
  }
  if (ledger.run(folder.run_id()).status == "reserved") {
    ledger.settle(folder.run_id(), certificate.guarantee.epsilon, certificate.guarantee.delta,
                  sha256_hex(text));
  }
  folder.remove();
  return result_of(package, owner_page_of(package));
}

// The steps, by this process alone or with others of this machine.
LoopResult run_steps(RunFolder& folder, Ledger& ledger, const PreparedData& prepared,
                     const TrainingPlan& training, int64_t attempts, int64_t processes) {
  if (processes == 1) return run_loop(folder, ledger, prepared, training);
  Workers workers(folder, processes);
  try {
    SharedStart start{attempts, *training.plan.noise_multiplier, ledger.run(folder.run_id()).charged_steps};
    start.exchange(*workers.processes());
    return run_loop(folder, ledger, prepared, training, workers.processes());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnavailable) throw;
    const std::string lost = workers.lost();
    if (lost.empty()) throw;
    throw Error(ErrorKind::kUnavailable,
                lost + "; nothing was released that is not charged: " + resume_advice(folder.job()));
  }
}

TrainResult go_on(RunFolder& folder, Ledger& ledger, PrivateData& data,
                  const std::optional<Event>& statistics, int64_t processes) {
  const TrainJob& job = folder.job();
  const double share = statistics_share(job, data.kind());
  const auto refused = [&] {
    const std::optional<Json> stored = folder.facts();
    return stored && stored->contains("refused");
  };
  if (const RunRecord run = ledger.run(folder.run_id()); run.status != "reserved" && !refused()) {
    throw Error(ErrorKind::kInvalidArgument, "run " + run.id + " is " + run.status +
                                                 " and cannot go on; remove " + folder.path().string());
  }
  int64_t attempts = 0;
  Json facts;
  try {
    facts = obtain_facts(folder, ledger, data, statistics, share, attempts);
  } catch (const Error& error) {
    if (attempts > 0 && refused()) end_refused(folder, ledger, data, error.what());
    throw;
  }
  const PreparedData prepared = data.prepare(facts);
  for (const std::string& warning : prepared.warnings) std::cerr << "note: " << warning << "\n";

  if (is_large_delta(job.delta, prepared.units)) {
    std::cerr << "note: delta " << format_number(job.delta) << " is large for about " << about(prepared.units)
              << " units ("
              << (prepared.units_source == Source::kPrivate    ? "counted with noise"
                  : prepared.units_source == Source::kDeclared ? "as declared"
                                                               : "a public number")
              << "): advised is at most a tenth of one in their number, "
              << format_number(advised_delta(prepared.units), 2) << "\n";
  }
  TrainingPlan training = make_training_plan(job, prepared, statistics ? share : 0.0, attempts);
  const RunRecord record = ledger.run(folder.run_id());
  if (record.planned_steps == 0) {
    const double planned = *training.plan.noise_multiplier;
    const auto plan_at = [&](double noise) {
      training.plan.noise_multiplier = noise;
      return training.event();
    };
    training.plan.noise_multiplier =
        ledger.set_training(folder.run_id(), plan_at, planned, *training.plan.steps,
                            {training.plan.shares.training_epsilon, training.plan.shares.training_delta});
    if (*training.plan.noise_multiplier > planned) {
      std::cerr << "note: the data set's cap has room for noise multiplier "
                << format_number(*training.plan.noise_multiplier) << ", not for " << format_number(planned)
                << ": this run takes more noise, and spends less\n";
    }
  } else if (!take_recorded_noise(training, Event::from_json(record.training_event))) {
    throw Error(
        ErrorKind::kDataLoss,
        folder.path().string() + ": its stored facts give another plan than the one that the ledger holds");
  }
  std::cerr << "plan: model " << training.model << ", " << *training.plan.steps << " steps of about "
            << *training.plan.batch_size << (job.unit ? " units" : " records") << ", noise multiplier "
            << format_number(*training.plan.noise_multiplier) << "\n";

  const LoopResult trained = run_steps(folder, ledger, prepared, training, attempts, processes);
  const Certificate certificate = certify({.job = job,
                                           .data = prepared,
                                           .training = training,
                                           .statistics = statistics,
                                           .statistics_delta = share * job.delta,
                                           .attempts = attempts,
                                           .steps_lost = trained.counters.lost,
                                           .ledger_run = folder.run_id(),
                                           .ledger_head = ledger.head()});
  const OwnerFacts owner = owner_facts(job, data, prepared, trained, certificate.guarantee);
  publish(job, prepared, training, *trained.network, certificate, owner);
  const TrainResult result = settle(folder, ledger);
  if (const std::string line = guessing_line(owner); !line.empty()) {
    // A terminal has eyes; anything else may be a log, which is no place for what private records gave.
    if (isatty(STDERR_FILENO) == 1)
      std::cerr << "on the held-out part: " << line << "; private, for your eyes: see the owner's page\n";
    else
      std::cerr << "how good it is stands on the owner's page\n";
  }
  return result;
}

}  // namespace

Json TrainResult::to_json() const {
  return {{"package", package.string()},
          {"report", (package / "report.html").string()},
          {"owner_page", owner_page.string()},
          {"epsilon", epsilon},
          {"delta", delta},
          {"relation", relation},
          {"unit", unit},
          {"private", is_private},
          {"steps", steps},
          {"steps_lost", steps_lost}};
}

TrainResult train(const TrainJob& job) {
  const InterruptGuard guard;
  if (job.resume) {
    RunFolder folder = RunFolder::open(*job.resume);
    Ledger ledger = open_ledger(folder.job());
    if (fs::exists(folder.job().out)) return settle(folder, ledger);
    const int64_t processes = job.processes.value_or(folder.job().processes.value_or(1));
    if (processes > 1) Workers::require();
    const std::unique_ptr<PrivateData> data = open_private_data(folder.job(), folder.split_key());
    const auto statistics = fix_statistics(folder.job(), *data, statistics_share(folder.job(), data->kind()));
    if (!ledger.has_run(folder.run_id())) {  // it ended before its budget was reserved
      if (folder.facts() || folder.checkpoint()) {
        throw Error(ErrorKind::kDataLoss,
                    folder.path().string() + ": the ledger does not know this run; it was set back");
      }
      reserve(folder, ledger, *data);
    } else if (folder.digest() != digest_of(*data, folder.split_key())) {
      throw Error(ErrorKind::kInvalidArgument,
                  folder.job().data +
                      ": has changed since the run began; put the same records back, or start a new run");
    }
    return go_on(folder, ledger, *data, statistics, processes);
  }
  const int64_t processes = job.processes.value_or(1);
  if (processes > 1) Workers::require();
  RunFolder folder = RunFolder::create(job);
  RemoveUnlessReserved cleanup(folder);
  const std::unique_ptr<PrivateData> data = open_private_data(folder.job(), folder.split_key());
  check_model(folder.job(), data->kind());
  check_card_answers(folder.job().card);
  check_plotting();
  own_signing_key();
  const auto statistics = fix_statistics(folder.job(), *data, statistics_share(folder.job(), data->kind()));
  for (const std::string& warning : data->warnings()) std::cerr << "warning: " << warning << "\n";
  if (const auto warning = data->too_few_records()) std::cerr << "warning: " << *warning << "\n";
  Ledger ledger = open_ledger(folder.job());
  reserve(folder, ledger, *data);
  cleanup.reserved = true;
  try {
    return go_on(folder, ledger, *data, statistics, processes);
  } catch (const Error&) {
    // A run that failed before anything was charged leaves nothing behind.
    if (!ledger.run(folder.run_id()).anything_charged()) {
      ledger.give_up(folder.run_id());
      folder.remove();
    }
    throw;
  }
}

}  // namespace discreet
