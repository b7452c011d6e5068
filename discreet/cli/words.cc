#include "discreet/cli/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/cli/arguments.h"

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
  // Of two equally likely worlds, with and without one unit, the best guess is right with at most this chance
  // (Kairouz, Oh, Viswanath 2015); never rounded down.
  const double chance = (1 + delta * std::exp(-epsilon)) / (1 + std::exp(-epsilon));
  const double percent = std::ceil(chance * 1000) / 10;
  char text[200];
  if (percent >= 100) {
    return "In words: with an epsilon this large, whether one unit took part may be guessed almost surely.";
  }
  std::snprintf(
      text, sizeof text,
      "In words: whoever sees the result and guesses whether one unit took part, at even odds, is right with"
      " at most %.1f %%.",
      percent);
  return text;
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
