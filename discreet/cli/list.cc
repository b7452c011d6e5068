#include "discreet/cli/command.h"

namespace discreet {
namespace {

constexpr Command kCommands[] = {
    {"train", "train a model with differential privacy, and write a package", train_command},
    {"predict", "predict with a package", predict_command},
    {"inspect", "show what is in your data: types, gaps, columns that identify people", inspect_command},
    {"plan", "work out noise and steps for a privacy budget, without any data", plan_command},
    {"account", "compute the epsilon that given noise, sampling and steps cost", account_command},
    {"budget", "show, cap or list what was spent on each data set", budget_command},
    {"report", "a package's guarantee in words, and where its report is", report_command},
    {"verify", "check a package: every file, the signature, and epsilon from its events", verify_command},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace discreet
