// train, predict and inspect need tensors: they run in the torch-linked half of the program.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/cli/command.h"
#include "discreet/job/job.h"

namespace discreet {
namespace {

// Beside this program (a build folder), or in ../libexec/discreet (installed).
std::filesystem::path torch_half() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::filesystem::path candidates[] = {
      folder / "discreet-torch", folder.parent_path() / "libexec" / "discreet" / "discreet-torch"};
  for (const std::filesystem::path& candidate : candidates) {
    if (!error && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw Error(ErrorKind::kUnavailable, "discreet-torch is missing: this command needs it, in " +
                                           folder.string() + " or " + candidates[1].parent_path().string());
}

// Replaces this process; does not return.
int run_torch_half(const char* command, const std::vector<std::string>& arguments) {
  const std::string program = torch_half();
  // Idle OpenMP threads that spin slow everything down where cores are few; read when libtorch is loaded.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  std::vector<char*> argv{const_cast<char*>(program.c_str()), const_cast<char*>(command)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw Error(ErrorKind::kUnavailable, "cannot run " + program + ": " + std::strerror(errno));
}

}  // namespace

int train_command(const std::vector<std::string>& arguments) {
  const auto asks = [](const std::string& argument) { return argument == "--help" || argument == "-h"; };
  if (std::any_of(arguments.begin(), arguments.end(), asks)) {
    std::cout << train_help();  // needs no tensors, so it answers at once
    return 0;
  }
  return run_torch_half("train", arguments);
}
int predict_command(const std::vector<std::string>& arguments) {
  return run_torch_half("predict", arguments);
}
int inspect_command(const std::vector<std::string>& arguments) {
  return run_torch_half("inspect", arguments);
}

}  // namespace discreet
