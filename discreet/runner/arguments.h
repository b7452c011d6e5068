// Flags that the commands share, and CLI11's errors as our own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "discreet/data/table.h"

namespace discreet {

// False where help was asked for and printed. Error(kInvalidArgument) for whatever does not fit.
bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);

// --header yes|no and --separator, for data that may be a table.
void add_table_options(CLI::App& app, std::string& header, std::string& separator);
TableOptions table_options(const std::string& header, const std::string& separator);

}  // namespace discreet
