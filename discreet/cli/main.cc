// discreet: the program. It finds the command.
#include <iostream>
#include <string>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/base/program.h"
#include "discreet/base/text.h"
#include "discreet/cli/command.h"

namespace {

using discreet::Command;
using discreet::Error;
using discreet::ErrorKind;

void print_help() {
  std::cout << "Discreet trains models on personal data and proves what they can give away.\n\n"
               "usage: discreet COMMAND [ARGUMENTS]\n\ncommands:\n";
  for (const Command& command : discreet::commands()) {
    std::cout << "  " << command.name << std::string(10 - command.name.size(), ' ') << command.summary
              << "\n";
  }
  std::cout
      << "\n"
         "  discreet COMMAND --help    all about one command\n"
         "  discreet --version\n\n"
         "first steps:\n"
         "  discreet train people.csv --target income --epsilon 3\n"
         "  discreet verify people.discreet\n"
         "  discreet predict people.discreet new-people.csv\n\n"
         "Every command takes --json: one object on standard output, words on standard error.\n"
         "Epsilon says how much one person's data can show in what is released: the smaller, the less.\n";
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_help();
    return arguments.empty() ? discreet::exit_code(ErrorKind::kInvalidArgument) : 0;
  }
  if (arguments[0] == "--version") {
    std::cout << "discreet " << DISCREET_VERSION << "\n";
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : discreet::commands()) {
    if (command.name == arguments[0]) return command.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  const std::string close = discreet::nearest(arguments[0], names);
  throw Error(ErrorKind::kInvalidArgument,
              "unknown command \"" + arguments[0] + "\"" +
                  (close.empty() ? "; see discreet --help" : "; did you mean \"discreet " + close + "\"?"));
}

}  // namespace

int main(int argc, char** argv) {
  return discreet::run_program(argc, argv, run);
}
