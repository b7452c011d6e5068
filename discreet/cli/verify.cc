// discreet verify: is this package what was signed, and does its epsilon follow from its events?
#include "discreet/package/verify.h"

#include <iostream>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"
#include "discreet/cli/command.h"
#include "discreet/cli/words.h"

namespace discreet {

int verify_command(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Checks every file of a package, its signature, and its epsilon, recomputed from the certificate's "
      "events. Exit "
      "code 0 if the package is valid, 7 if it is not.",
      "discreet verify");
  std::string package;
  bool json = false;
  app.add_option("PACKAGE", package, "a folder NAME.discreet")->required();
  app.add_flag("--json", json, "one JSON object on standard output");
  if (!parse_arguments(app, arguments)) return 0;

  const Verification result = verify_package(package);
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
