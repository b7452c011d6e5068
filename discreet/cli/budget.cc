// discreet budget: what was spent on each data set, its cap, and every record of the ledger.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"
#include "discreet/store/admission.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

struct Flags {
  Written ledger;
  bool json = false;

  void add_to(CLI::App& app) {
    app.add_option("--ledger", ledger,
                   "the ledger's file, or postgresql://USER@HOST/DATABASE (default: ledger.db in the user's "
                   "data folder)")
        ->type_name("PATH");
    app.add_flag("--json", json, "one JSON object on standard output");
  }
  std::string path() const { return ledger ? *ledger : Ledger::default_path().string(); }
};

Ledger open(const Flags& flags) {
  Ledger ledger = Ledger::open(flags.path());
  if (const std::string trouble = ledger.counter_trouble(); !trouble.empty())
    std::cerr << "warning: an older copy of the ledger that is put back would not be noticed here: "
              << trouble << "\n";
  return ledger;
}

std::string amount(double epsilon, double delta) {
  return "epsilon " + format_number(epsilon, 6) + ", delta " + format_number(delta);
}

std::string progress(const RunRecord& run) {
  const std::string alone = run.closes_cap ? ", has the cap to itself" : "";
  if (run.status == "reserved") {
    return "reserved" + alone + ", " + std::to_string(run.charged_steps) + " of " +
           (run.planned_steps == 0 ? "?" : std::to_string(run.planned_steps)) + " steps charged";
  }
  if (run.charges_lost) return "ended when an older copy of the ledger was put back, counts in full";
  if (run.status != "given-up") return run.status + alone;
  return !run.anything_charged() ? "given up, nothing charged"
         : run.released_epsilon  ? "given up, statistics charged"
                                 : run.status;
}

void add_cap(Lines& lines, const DatasetRecord& dataset, const DatasetRecord::Spending& cap) {
  if (dataset.cap_closed()) {
    lines.add("cap", amount(cap.epsilon, cap.delta) +
                         ", closed since charges were lost: no run is admitted until it is set anew");
    return;
  }
  lines.add("cap", amount(cap.epsilon, cap.delta) + " for all runs together (" +
                       terms(dataset.caps.back().relation, dataset.caps.back().unit) + ")");
  const double used = used_share(dataset), left = largest_further_run(dataset, cap.delta);
  const bool any_run = used > 0;
  lines.add("used",
            std::isfinite(used) ? std::to_string(std::llround(100 * used)) + " %" : "more than all of it");
  lines.add("left", left == 0 ? "nothing: no further run would be admitted"
                              : "a further run of up to " + std::string(any_run ? "about " : "") +
                                    "epsilon " + format_number(left, 3) + " at delta " +
                                    format_number(cap.delta) + " would be admitted");
  if (dataset.cap_raised_after_runs) {
    lines.add("note", "the cap was raised after runs had spent from it");
  } else if (dataset.cap_set_after_runs) {
    lines.add("note", "the cap was set after runs; it means what it says if their results did not decide it");
  }
}

// The total without a cap, which nobody chose after looking at results.
void add_together(Lines& lines, const DatasetRecord& dataset) {
  const bool counted = std::any_of(dataset.runs.begin(), dataset.runs.end(),
                                   [](const RunRecord& run) { return run.counts(); });
  if (!counted || !dataset.spent() || dataset.charges_lost) return;
  const auto rung = together(dataset);
  lines.add("together", rung
                            ? "all runs are within epsilon " + format_number(*rung) + " at delta " +
                                  format_number(kLadderDelta) + " (the least of 1, 2, 4, ..., 128 that holds)"
                            : "more than epsilon 128 at delta " + format_number(kLadderDelta));
}

void print_dataset(const DatasetRecord& dataset) {
  std::cout << dataset.name << "  (" << dataset.id << ")\n";
  Lines lines;
  if (!dataset.spent()) lines.add("note", "runs under several relations or units, which cannot be added");
  if (dataset.charges_lost) {
    lines.add("note",
              "entries of the ledger are lost (an older copy was put back): what they charged is not "
              "counted here");
  }
  if (const auto cap = dataset.cap()) {
    add_cap(lines, dataset, *cap);
  } else {
    add_together(lines, dataset);
    lines.add("cap", "none is set: discreet budget set \"" + dataset.name + "\" --epsilon E --delta D");
  }
  for (const RunRecord& run : dataset.runs) {
    lines.add("run " + run.id, amount(run.counted_epsilon(), run.counted_delta()) + "  " + progress(run) +
                                   "  " + run.started + (run.name.empty() ? "" : "  " + run.name) +
                                   (dataset.spent() ? "" : "  (" + terms(run.relation, run.unit) + ")"));
  }
  std::cout << lines.text("  ");
}

int show(const std::vector<std::string>& arguments) {
  CLI::App app("What was spent on each data set, what is left, and by which runs.", "discreet budget show");
  Flags flags;
  Written name;
  app.add_option("DATASET", name, "only this data set: its name or id");
  flags.add_to(app);
  if (!parse_arguments(app, arguments)) return 0;

  std::vector<DatasetRecord> datasets;
  const bool exists = Ledger::exists(flags.path());  // looking makes no ledger
  if (exists) {
    const Ledger ledger = open(flags);
    datasets = name ? std::vector<DatasetRecord>{ledger.dataset(*name)} : ledger.datasets();
  } else if (flags.ledger || name) {
    throw Error(ErrorKind::kNotFound, "there is no ledger " + flags.path());
  }
  if (flags.json) {
    Json json = {{"ledger", flags.path()}, {"datasets", Json::array()}};
    for (const DatasetRecord& dataset : datasets) json["datasets"].push_back(dataset.to_json());
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    return 0;
  }
  if (datasets.empty()) std::cout << "Nothing has been spent: " << flags.path() << " records no data set.\n";
  for (const DatasetRecord& dataset : datasets) print_dataset(dataset);
  if (!datasets.empty()) {
    std::cout << "Epsilon says how much one unit's data can show in all that was released: the smaller, the "
                 "less.\n";
  }
  return 0;
}

int set(const std::vector<std::string>& arguments) {
  CLI::App app("Sets the most that all runs on a data set may spend together.", "discreet budget set");
  Flags flags;
  std::string dataset, epsilon_text, delta_text, relation_name = "add-or-remove-one", unit = "row";
  bool new_dataset = false;
  app.add_option("DATASET", dataset, "its name or id")->required();
  app.add_option("--epsilon", epsilon_text, "above 0, to 1000")->required()->type_name("E");
  app.add_option("--delta", delta_text, "above 0, below 1")->required()->type_name("D");
  app.add_option("--relation", relation_name, "add-or-remove-one (default), replace-one or zero-out")
      ->type_name("R");
  app.add_option("--unit", unit, "what one unit is: row (default), or the column that says whose row it is")
      ->type_name("COLUMN");
  app.add_flag("--new-dataset", new_dataset,
               "the name is not a slip: keep the cap for a data set still to come");
  flags.add_to(app);
  if (!parse_arguments(app, arguments)) return 0;

  const double epsilon = number("--epsilon", epsilon_text, 1e-9, 1000, "a number above 0, to 1000");
  const double delta = probability("--delta", delta_text);
  const Relation relation = parse_relation(relation_name);
  if (unit.empty()) throw Error(ErrorKind::kInvalidArgument, "--unit must be row or a column's name");
  Ledger ledger = open(flags);
  bool known = true;
  try {
    dataset = ledger.dataset(dataset).id;
  } catch (const Error& error) {
    // A name that is close to a known one is probably a slip, and a cap on it would hold nobody back.
    const bool close = std::string(error.what()).find("did you mean") != std::string::npos;
    if (error.kind() != ErrorKind::kNotFound || (close && !new_dataset)) {
      throw error.kind() == ErrorKind::kNotFound
          ? Error(error.kind(), std::string(error.what()) + " (--new-dataset if it is still to come)")
          : error;
    }
    known = false;
  }
  ledger.set_cap(dataset, epsilon, delta, relation, unit == "row" ? unit : "column " + unit);
  const DatasetRecord record = ledger.dataset(dataset);
  if (flags.json) {
    std::cout << record.to_json().dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    return 0;
  }
  print_dataset(record);
  if (!known)
    std::cout << "No run has used this name yet: the cap will hold for the data set trained under it.\n";
  return 0;
}

int give_up(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Ends a run that will not go on. What it released stays released: its statistics and the steps that "
      "were "
      "charged count against a cap; one that charged nothing counts nothing.",
      "discreet budget give-up");
  Flags flags;
  std::string id;
  app.add_option("RUN", id, "its id, as `discreet budget` prints it")->required();
  flags.add_to(app);
  if (!parse_arguments(app, arguments)) return 0;
  if (!Ledger::exists(flags.path())) throw Error(ErrorKind::kNotFound, "there is no ledger " + flags.path());
  Ledger ledger = open(flags);
  ledger.give_up(id);
  const RunRecord run = ledger.run(id);
  if (flags.json) {
    std::cout << run.to_json().dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    return 0;
  }
  std::cout << "run " << run.id << " is given up; "
            << (!run.anything_charged() ? "it had charged nothing and counts nothing"
                : run.released_epsilon
                    ? "its statistics still count: " + amount(run.counted_epsilon(), run.counted_delta())
                    : "it still counts for what it reserved: " +
                          amount(run.counted_epsilon(), run.counted_delta()) +
                          "; a cap counts what was charged, " + std::to_string(run.charged_steps) + " of " +
                          std::to_string(run.planned_steps) + " steps")
            << "\n";
  return 0;
}

int accept_restored(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Goes on with an older copy of the ledger that was put back, where no newer one is left. What was "
      "charged "
      "since that copy is lost: no cap can hold over it. So every cap is closed until `discreet budget set` "
      "sets "
      "it anew, runs that were under way in the copy end and count in full, and the ledger says ever after "
      "that "
      "entries are lost. Refused where nothing shows that the ledger was set back.",
      "discreet budget accept-restored");
  Flags flags;
  flags.add_to(app);
  if (!parse_arguments(app, arguments)) return 0;
  if (!Ledger::exists(flags.path())) throw Error(ErrorKind::kNotFound, "there is no ledger " + flags.path());
  const Ledger ledger = Ledger::accept_restored(flags.path());
  if (flags.json) {
    std::cout << Json{{"ledger", flags.path()}, {"head", ledger.head()}}.dump() << "\n";
    return 0;
  }
  std::cout
      << "The ledger goes on from the older copy. What was charged since is lost and not counted: caps are "
         "closed until they are set anew (discreet budget set), and runs that were under way have ended and "
         "count in full.\n";
  return 0;
}

int history(const std::vector<std::string>& arguments) {
  CLI::App app("Every record of the ledger, oldest first.", "discreet budget history");
  Flags flags;
  Written name;
  app.add_option("DATASET", name, "only this data set: its name or id");
  flags.add_to(app);
  if (!parse_arguments(app, arguments)) return 0;
  if (!Ledger::exists(flags.path())) {
    throw Error(ErrorKind::kNotFound, "there is no ledger " + flags.path());
  }
  const Ledger ledger = open(flags);
  std::vector<std::string> subjects;  // of the entries to show; all if empty
  if (name) {
    const DatasetRecord dataset = ledger.dataset(*name);
    subjects.push_back(dataset.id);
    for (const RunRecord& run : dataset.runs) {
      subjects.push_back(run.dataset);
      subjects.push_back(run.id);
    }
  }
  Json entries = Json::array();
  for (const Entry& entry : ledger.history()) {
    if (name && std::find(subjects.begin(), subjects.end(), entry.subject) == subjects.end()) continue;
    entries.push_back({{"number", entry.number},
                       {"time", entry.time},
                       {"kind", entry.kind},
                       {"subject", entry.subject},
                       {"steps", entry.amount == 0 ? Json() : Json(entry.amount)},
                       {"content", entry.body.empty() ? Json() : Json::parse(entry.body)},
                       {"hash", entry.hash}});
  }
  if (flags.json) {
    std::cout << Json{{"ledger", flags.path()}, {"head", ledger.head()}, {"entries", entries}}.dump(
                     -1, ' ', false, Json::error_handler_t::replace)
              << "\n";
    return 0;
  }
  for (const Json& entry : entries) {
    std::string line = std::to_string(entry["number"].get<int64_t>());
    line.insert(0, line.size() < 6 ? 6 - line.size() : 0, ' ');
    std::string kind = entry["kind"];
    kind.resize(std::max<size_t>(kind.size(), 10), ' ');
    std::cout << line << "  " << entry["time"].get<std::string>() << "  " << kind << "  "
              << entry["subject"].get<std::string>();
    if (!entry["steps"].is_null()) std::cout << "  steps " << entry["steps"];
    if (entry["content"].is_object() && !entry["content"].empty()) {
      std::cout << "  " << entry["content"].dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    std::cout << "\n";
  }
  std::cout << "head " << ledger.head() << "\n";
  return 0;
}

}  // namespace

int budget_command(const std::vector<std::string>& arguments) {
  const std::string word = arguments.empty() ? "show" : arguments[0];
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (word == "set") return set(rest);
  if (word == "history") return history(rest);
  if (word == "give-up") return give_up(rest);
  if (word == "accept-restored") return accept_restored(rest);
  if (word == "show") return show(rest);
  if (word == "--help" || word == "-h") {
    std::cout
        << "What was spent on each data set. Every run reserves its whole cost before it starts.\n\n"
           "usage: discreet budget [show] [DATASET]\n"
           "       discreet budget set DATASET --epsilon E --delta D [--relation R] [--unit COLUMN]\n"
           "       discreet budget history [DATASET]\n"
           "       discreet budget give-up RUN\n"
           "       discreet budget accept-restored\n\n"
           "Each takes --ledger PATH (or a PostgreSQL URL) and --json; --help behind each tells more.\n";
    return 0;
  }
  try {
    return show(arguments);  // of all data sets, or of the one that is named
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNotFound || word.starts_with("-")) throw;
    const std::string close = nearest(word, {"show", "set", "history", "give-up", "accept-restored"});
    throw Error(close.empty() ? error.kind() : ErrorKind::kInvalidArgument,
                std::string(error.what()) + "; behind budget stands a data set's name, or one of " +
                    "show, set, history, give-up, accept-restored" +
                    (close.empty() ? "" : "; did you mean " + close + "?"));
  }
}

}  // namespace discreet
