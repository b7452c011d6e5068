#include "discreet/accounting/clipping_mode.h"

#include <array>
#include <cstdlib>

#include "discreet/base/error.h"

namespace discreet {
namespace {
constexpr std::array kModes = {ClippingMode::kFlat, ClippingMode::kPerLayer, ClippingMode::kNormalised,
                               ClippingMode::kAdaptive};
}

std::string_view to_string(ClippingMode mode) {
  switch (mode) {
    case ClippingMode::kFlat: return "flat";
    case ClippingMode::kPerLayer: return "per-layer";
    case ClippingMode::kNormalised: return "normalised";
    case ClippingMode::kAdaptive: return "adaptive";
  }
  std::abort();
}

ClippingMode parse_clipping_mode(std::string_view name) {
  for (const ClippingMode mode : kModes) {
    if (to_string(mode) == name) return mode;
  }
  throw Error(ErrorKind::kInvalidArgument, "clipping must be flat, per-layer, normalised or adaptive");
}

}  // namespace discreet
