// Pairs of independent normals from random bits (Box and Muller 1958), at three precisions with error bounds.
//
// A pair is a function of two real numbers, each given by a word of 32 bits and as many further bits as are
// needed. The radius word begins the binary digits of u in (0, 1): r = sqrt(-2 ln u). Bit 0 of the angle word
// is a sign; its other bits, the highest flipped, begin the digits of v in (0, 1): x = pi (v - 1/2). The pair
// is (r cos x, r sin x), both with that sign. `scale` is the standard deviation, in [2^10, 2^11).
//
// A bound holds for every value that the digits not yet drawn can have, so a decision that it makes certain
// is the decision of the real numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace discreet {

// Pairs are computed in groups of 16: 16 radius words, then 16 angle words. Pair i of a group has words i and
// 16 + i, and its values lie in the same places.
constexpr size_t kPairsInGroup = 16, kGroup = 2 * kPairsInGroup;

// Floats, by vectors: noise, as many as words, and error, half as many, bounds both values of a pair. It is
// infinite in the tails (about one pair in 1,900). All aligned to 64 bytes, whole groups.
void box_muller_floats(std::span<const uint32_t> words, double scale, std::span<float> noise,
                       std::span<float> error);

// What the bound of box_muller_floats is made of: kFloatError * r covers every rounding and approximation,
// and kFloatFloor the digits of u beyond 32, each times scale. How they were found: box_muller_floats.cc.
constexpr double kFloatError = 0x1.2p-21, kFloatFloor = 0x1.8p-24;

// Doubles: returns the bound of both errors, infinite within 2^-24 of u = 0 and u = 1.
double box_muller_double(uint32_t radius_word, uint32_t angle_word, double scale, double noise[2]);

// Quadruple precision, with 128 further bits of each number from `next` (64 random bits a call; more where
// the leading ones are all zero). Error below 2^-90, and no tail is cut off.
void box_muller_quad(uint32_t radius_word, uint32_t angle_word, const std::function<uint64_t()>& next,
                     double scale, __float128 noise[2]);

}  // namespace discreet
