// Words and aligned lines that several commands print.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace discreet {

// "name   value" a line, the values aligned.
class Lines {
 public:
  void add(const std::string& name, const std::string& value) { lines_.emplace_back(name, value); }
  std::string text(const std::string& indent = "") const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

// Half a sentence on what (epsilon, delta) means for one person.
std::string epsilon_in_words(double epsilon, double delta);

// The number behind a flag that must lie above 0 and below 1.
double probability(const std::string& flag, const std::string& text);

}  // namespace discreet
