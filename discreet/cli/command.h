// Command: one word after `discreet`. Each lives in a file of its own name; list.cc names them all.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace discreet {

struct Command {
  std::string_view name;
  std::string_view summary;  // one line of `discreet --help`
  // `arguments` are those behind the command's name. Returns the exit code, or throws Error.
  int (*run)(const std::vector<std::string>& arguments);
};

std::span<const Command> commands();

int account_command(const std::vector<std::string>& arguments);
int budget_command(const std::vector<std::string>& arguments);
int inspect_command(const std::vector<std::string>& arguments);
int plan_command(const std::vector<std::string>& arguments);
int predict_command(const std::vector<std::string>& arguments);
int report_command(const std::vector<std::string>& arguments);
int train_command(const std::vector<std::string>& arguments);
int verify_command(const std::vector<std::string>& arguments);

}  // namespace discreet
