// Reading a command's arguments: CLI11 for flags and help, strict numbers, errors of our one family.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace discreet {

// What was written behind a flag; a number stays text until number() or integer() has looked at it.
using Written = std::optional<std::string>;

// False if help was asked for (and printed to standard output). kInvalidArgument for whatever does not fit,
// with the nearest flag for an unknown one.
bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);

// The number behind `flag`. kInvalidArgument, naming flag and range, for nan, inf, anything behind the
// number, or a number outside [least, most]; `range` is that range in words.
double number(const std::string& flag, const std::string& text, double least, double most,
              const std::string& range);
// As above; 1e6 and 1000000.0 are whole numbers too.
int64_t integer(const std::string& flag, const std::string& text, int64_t least, int64_t most,
                const std::string& range);

}  // namespace discreet
