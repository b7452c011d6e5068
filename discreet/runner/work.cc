// discreet-torch work PACKAGE PARENT: another process of a run, which its process 0 starts. For nobody else.
#include <charconv>

#include "discreet/base/error.h"
#include "discreet/runner/command.h"
#include "discreet/train/worker.h"

namespace discreet {

int run_work(const std::vector<std::string>& arguments) {
  pid_t parent = 0;
  if (arguments.size() == 2)
    std::from_chars(arguments[1].data(), arguments[1].data() + arguments[1].size(), parent);
  if (parent <= 0)
    throw Error(ErrorKind::kInvalidArgument, "work is started by `discreet train --processes`, not by hand");
  work(arguments[0], parent);
  return 0;
}

}  // namespace discreet
