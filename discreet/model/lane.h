// A lane is 16 floats that hold the same place of 16 different planes: arithmetic on lanes works on 16 images
// at once, without shuffles, whatever the width of the machine's registers.
#pragma once

#include <cstdint>

namespace discreet {

inline constexpr int64_t kLaneWidth = 16;
using Lane = float __attribute__((vector_size(64)));
static_assert(sizeof(Lane) == kLaneWidth * sizeof(float));

// DISCREET_WIDE_REGISTERS marks the outermost function of a kernel: it is compiled for each register width
// and the processor's own is chosen when the program is loaded (GCC manual, "target_clones"). Sanitizers
// cannot run before that choice is made, so they get the plain version.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DISCREET_WIDE_REGISTERS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
#else
#define DISCREET_WIDE_REGISTERS
#endif
#define DISCREET_INLINE inline __attribute__((always_inline))

}  // namespace discreet
