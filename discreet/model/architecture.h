// An architecture is a document (docs/model.md), not code. Reading it checks every field and every shape
// through the whole network before anything is built; nothing in it comes from private data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "discreet/base/json.h"
#include "discreet/model/layers/layer.h"
#include "discreet/model/shape.h"

namespace discreet {

// Bounds on what a document may ask for.
inline constexpr size_t kMostSteps = 256;                     // layers, and fixed transforms
inline constexpr int64_t kMostElements = int64_t{1} << 24;    // values of one record at one place
inline constexpr int64_t kMostParameters = int64_t{1} << 28;  // 1 GiB of floats

struct Architecture {
  Json document;       // as given
  Shape input;         // one record: [channels, height, width] or [features]
  Shape features;      // after the fixed transforms
  int64_t outputs;     // the network's output is [B, outputs]
  int64_t parameters;  // trained numbers
  std::vector<FixedTransform> fixed;
  std::vector<Layer> layers;

  // Throws kInvalidArgument for the first bad field, in one line with its place in the document.
  static Architecture parse(const Json& document);
};

}  // namespace discreet
