// How a unit's part of a sum is bounded, as settings and certificates name it. Under each the noise is
// calibrated to the largest norm that a unit can add, so none of them changes what is accounted
// (dp/clipping.h, dp/adaptive_clip.h).
#pragma once

#include <string_view>

namespace discreet {

enum class ClippingMode {
  kFlat,        // one norm over all parameters is at most the clip                        "flat"
  kPerLayer,    // of L layers each at most the clip / sqrt(L)                             "per-layer"
  kNormalised,  // every gradient is scaled to just below the clip, short ones too         "normalised"
  kAdaptive,    // flat; the clip follows a quantile of the norms, by counts that are released  "adaptive"
};

std::string_view to_string(ClippingMode mode);

// kInvalidArgument with the four allowed names.
ClippingMode parse_clipping_mode(std::string_view name);

}  // namespace discreet
