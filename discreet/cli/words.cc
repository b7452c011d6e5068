#include "discreet/cli/words.h"

#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/cli/arguments.h"
#include "discreet/report/inference.h"
#include "discreet/report/numbers.h"

namespace discreet {

std::string Lines::text(const std::string& indent) const {
  size_t width = 0;
  for (const auto& [name, value] : lines_) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : lines_) {
    text += indent + name + std::string(width - name.size() + 2, ' ') + value + "\n";
  }
  return text;
}

std::string epsilon_in_words(double epsilon, double delta) {
  return "In words: whoever sees what is released and guesses whether one unit took part, at even odds, is "
         "right with"
         " at most " +
         percent_rounded_up(best_guess(epsilon, delta, 0.5)) + ".";
}

double probability(const std::string& flag, const std::string& text) {
  const double value = number(flag, text, 0, 1, "a number above 0 and below 1");
  if (value <= 0 || value >= 1) {
    throw Error(ErrorKind::kInvalidArgument,
                flag + " " + text + " is not allowed; it must be a number above 0 and below 1");
  }
  return value;
}

}  // namespace discreet
