// Numbers as people read them. What states a risk is rounded upwards, never towards "safe".
#pragma once

#include <cstdint>
#include <string>

namespace discreet {

// "95.3 %", rounded upwards to three digits that matter, so that a risk never reads smaller than it is;
// the part that is missing to 100 % keeps two digits ("99.9955 %"); never "100 %" for a number below 1.
std::string percent_rounded_up(double probability);
std::string percent_rounded_down(double probability);
std::string percent_rounded_down(double probability);
// Upwards to `digits` significant decimal digits: 2.99812 -> "2.999" at 4.
std::string rounded_up(double value, int digits = 4);
// Upwards to this many decimals, all of them written: 2.6991 -> "2.70" at 2.
std::string rounded_up_to(double value, int decimals);
// Upwards to two digits, as a power of ten: 1e-5 -> "10⁻⁵", 8.99e-6 -> "9 × 10⁻⁶"; "0" for 0.
std::string scientific_rounded_up(double value);
// "1 in 100,000" for 1e-5; the denominator is rounded down, so that the chance is not understated. "0" for 0.
std::string one_in(double probability);

// To `digits` significant digits, to the nearest: for figures that are no risk ("0.9103", "256").
std::string significant(double value, int digits = 4);
// 60000 -> "60,000".
std::string with_commas(int64_t number);

}  // namespace discreet
