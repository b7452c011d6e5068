#include "discreet/cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

// Before anything else is looked at, so that a slip in a flag's name is not answered with what it left
// missing, and "--flag=" does not take the next argument for its value.
void check_flags(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (flag.starts_with("--") && flag.size() + 1 == argument.size()) {
      throw Error(ErrorKind::kInvalidArgument, app.get_name() + ": " + argument + " has no value");
    }
    if (!flag.starts_with("--") || std::find(names.begin(), names.end(), flag) != names.end()) continue;
    const std::string close = nearest(flag, names);
    throw Error(ErrorKind::kInvalidArgument, app.get_name() + ": unknown flag " + flag +
                                                 (close.empty() ? "" : "; did you mean " + close + "?") +
                                                 " (see " + app.get_name() + " --help)");
  }
}

[[noreturn]] void not_allowed(const std::string& flag, const std::string& text, const std::string& range) {
  throw Error(ErrorKind::kInvalidArgument, flag + " " + text + " is not allowed; it must be " + range);
}

std::optional<double> whole_text_as_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments) {
  check_flags(app, arguments);
  const std::string see = " (see " + app.get_name() + " --help)";
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes from the back
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return false;
  } catch (const CLI::ExtrasError&) {
    throw Error(ErrorKind::kInvalidArgument, app.get_name() + ": one argument too many" + see);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::kInvalidArgument, app.get_name() + ": " + error.what() + see);
  }
  return true;
}

double number(const std::string& flag, const std::string& text, double least, double most,
              const std::string& range) {
  const auto value = whole_text_as_number(text);
  if (!value || *value < least || *value > most) not_allowed(flag, text, range);
  return *value;
}

int64_t integer(const std::string& flag, const std::string& text, int64_t least, int64_t most,
                const std::string& range) {
  const auto value = whole_text_as_number(text);
  if (!value || *value != std::floor(*value) || *value < static_cast<double>(least) ||
      *value > static_cast<double>(most)) {
    not_allowed(flag, text, range);
  }
  return static_cast<int64_t>(*value);
}

}  // namespace discreet
