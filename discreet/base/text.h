// Words and numbers for messages to people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace discreet {

// The name closest to `wanted` by edit distance (capitals ignored), for "did you mean"; "" if none is within
// a third of its length (at least one edit).
std::string nearest(std::string_view wanted, const std::vector<std::string>& names);

// Shortest text with this many significant digits: 3, 0.0125, 1e-05, inf, nan.
std::string format_number(double value, int significant = 4);

// The text as one word of a command line: as it is where that is safe, else in single quotes.
std::string shell_word(const std::string& text);

// "0.3 s", "42 s", "3 min 05 s", "2 h 10 min", "4 d 03 h"; negative or not finite gives "?".
std::string format_duration(double seconds);

}  // namespace discreet
