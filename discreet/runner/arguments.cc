#include "discreet/runner/arguments.h"

#include <algorithm>
#include <iostream>

#include "discreet/base/error.h"

namespace discreet {

bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return false;
  } catch (const CLI::ParseError& error) {
    std::string words = error.what();
    std::replace(words.begin(), words.end(), '\n', ' ');
    throw Error(ErrorKind::kInvalidArgument,
                words + "; `" + app.get_name() + " --help` shows what is allowed");
  }
  return true;
}

void add_table_options(CLI::App& app, std::string& header, std::string& separator) {
  app.add_option("--header", header, "yes or no: whether a table's first line names the columns");
  app.add_option("--separator", separator, "what stands between a table's cells: one of , ; TAB |");
}

TableOptions table_options(const std::string& header, const std::string& separator) {
  TableOptions options;
  if (!header.empty()) {
    if (header != "yes" && header != "no")
      throw Error(ErrorKind::kInvalidArgument, "--header: allowed is yes or no, not '" + header + "'");
    options.header = header == "yes";
  }
  if (!separator.empty()) {
    if (separator != "TAB" && separator.size() != 1)
      throw Error(ErrorKind::kInvalidArgument, "--separator: allowed is one of , ; TAB |");
    options.separator = separator == "TAB" ? '\t' : separator[0];
  }
  return options;
}

}  // namespace discreet
