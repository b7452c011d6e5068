// (value + noise) rounded to a lattice, by vectors, wherever a bound on the noise's error makes that certain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace discreet {

// values: whole groups of box_muller.h, multiples of no lattice; noise[i] in steps belongs to values[i], and
// error[j] bounds it for both values of pair j. A pair that is certain is replaced by multiples of step, a
// power of two, with no zero negative. The others are left as they are, their numbers ascending in
// `undecided` (room for every pair); returns how many. Pairs with a value of 2^52 steps and more (2^22 for
// floats) are left too.
size_t round_to_lattice(std::span<double> values, std::span<const float> noise, std::span<const float> error,
                        double step, std::span<uint32_t> undecided);
size_t round_to_lattice(std::span<float> values, std::span<const float> noise, std::span<const float> error,
                        double step, std::span<uint32_t> undecided);

// No infinity and no NaN.
bool all_finite(std::span<const double> values);
bool all_finite(std::span<const float> values);

// What is done with sums before and with rounded values after. multiplied[i] = values[i] * factor, a product
// of doubles rounded to the nearest float; sums[i] = one[i] + other[i], of doubles. Sizes are equal;
// `multiplied` may be `values`.
void multiply(std::span<const float> values, double factor, std::span<float> multiplied);
void multiply(std::span<const double> values, double factor, std::span<float> multiplied);
void add_floats(std::span<const float> one, std::span<const float> other, std::span<double> sums);

}  // namespace discreet
