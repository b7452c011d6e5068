// discreet-torch: train, predict, inspect. Started by `discreet`, which has set OMP_WAIT_POLICY.
#include "discreet/base/error.h"
#include "discreet/base/program.h"
#include "discreet/runner/command.h"

namespace {

int run(const std::vector<std::string>& arguments) {
  const std::string command = arguments.empty() ? "" : arguments[0];
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (command == "train") return discreet::run_train(rest);
  if (command == "predict") return discreet::run_predict(rest);
  if (command == "inspect") return discreet::run_inspect(rest);
  if (command == "work") return discreet::run_work(rest);
  throw discreet::Error(discreet::ErrorKind::kInvalidArgument,
                        "discreet-torch is started by discreet; allowed are train, predict, inspect");
}

}  // namespace

int main(int argc, char** argv) {
  return discreet::run_program(argc, argv, run);
}
