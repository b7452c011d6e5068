// discreet verify: is this package what was signed, and does its epsilon follow from its events?
#include "discreet/package/verify.h"

#include <algorithm>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/base/hash.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"
#include "discreet/package/certificate.h"
#include "discreet/package/package.h"
#include "discreet/store/ledger.h"

namespace discreet {
namespace {

// What the ledger says against a package that is valid by itself, "" if nothing.
std::string ledger_problem(const std::string& package, const std::string& where) {
  const std::string text = read_package_file(package, "privacy.json");
  const LedgerReference reference = parse_certificate(text).ledger;
  if (reference.head.empty()) return "privacy.json: the certificate names no ledger";
  if (!Ledger::exists(where)) throw Error(ErrorKind::kNotFound, "there is no ledger " + where);
  const Ledger ledger = Ledger::open(where);
  const std::vector<Entry> entries = ledger.history();
  const bool held = std::any_of(entries.begin(), entries.end(),
                                [&](const Entry& entry) { return entry.hash == reference.head; });
  if (!held) {
    return "privacy.json: its ledger.head is not among the entries of ledger " + where +
           ": an older copy of that was put back since, or it is another ledger";
  }
  if (!ledger.has_run(reference.run)) return "privacy.json: ledger " + where + " has no run " + reference.run;
  const std::string settled = ledger.run(reference.run).certificate_sha256;
  if (!settled.empty() && settled != sha256_hex(text)) {
    return "privacy.json: ledger " + where + " holds another certificate of run " + reference.run;
  }
  return "";
}

}  // namespace

int verify_command(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Checks every file of a package, its signature, and its epsilon, recomputed from the certificate's "
      "events. Exit "
      "code 0 if the package is valid, 7 if it is not.",
      "discreet verify");
  std::string package;
  Written ledger;
  bool json = false;
  app.add_option("PACKAGE", package, "a folder NAME.discreet")->required();
  app.add_option("--ledger", ledger,
                 "also look whether this ledger, a file or postgresql://USER@HOST/DATABASE, went on from the "
                 "certificate's head")
      ->type_name("PATH");
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;

  Verification result = verify_package(package);
  if (ledger && result.valid) {
    if (const std::string problem = ledger_problem(package, *ledger); !problem.empty()) {
      result.valid = false;
      result.problems.push_back(problem);
    }
  }
  const int code = result.valid ? 0 : exit_code(ErrorKind::kDataLoss);
  if (json) {
    for (const std::string& problem : result.problems)
      std::cerr << "discreet: " << package << ": " << problem << "\n";
    std::cout << result.to_json().dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    return code;
  }
  if (!result.valid) {
    for (const std::string& problem : result.problems)
      std::cerr << "discreet: " << package << ": " << problem << "\n";
    std::cout << "NOT VALID: do not rely on " << package << "\n";
    return code;
  }
  Lines lines;
  lines.add("files", "all there, none changed");
  lines.add("epsilon", format_number(result.epsilon, 6) + " at delta " + format_number(result.delta) +
                           ", recomputed from the events");
  lines.add("neighbours", result.relation + ", unit " + result.unit);
  if (ledger) lines.add("ledger", *ledger + " has gone on from the certificate's head");
  lines.add("signed by",
            result.key_known ? result.key_owner : "unknown key " + result.key.substr(0, 16) + "...");
  std::cout << (result.is_private ? "valid" : "valid, but NOT PRIVATE: made with a test seed") << "\n"
            << lines.text();
  if (!result.key_known) {
    std::cout << "The key is unknown here: the signature proves that nothing changed since it was made, not "
                 "who made"
                 " it.\n";
  }
  if (result.is_private) std::cout << epsilon_in_words(result.epsilon, result.delta) << "\n";
  return code;
}

}  // namespace discreet
