// The outermost layer of every program: errors become one line on standard error and an exit code, with
// --json also an object on standard output.
#pragma once

#include <string>
#include <vector>

namespace discreet {

// Calls `run` with the arguments behind the program's name and returns the exit code.
int run_program(int argc, char** argv, int (*run)(const std::vector<std::string>& arguments));

}  // namespace discreet
