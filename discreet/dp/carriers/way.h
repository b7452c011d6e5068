// One way through an operation, from one of its outputs to one of its inputs, and what carriers (carriers.h)
// have in common.
#pragma once

#include <cstdint>

#include "discreet/dp/layout.h"
#include "discreet/dp/libtorch.h"
#include "discreet/dp/operations.h"

namespace discreet::carriers {

using libtorch::Shape;
using Place = Layout::Place;

struct Way {
  libtorch::Node& node;
  uint32_t input, output;
  const Layout& layout;  // of the output
  Shape in, out;

  template <typename Saved>
  Saved& saved() const {
    return dynamic_cast<Saved&>(node);
  }
};

inline constexpr const char* kMixes = "mixes the samples of the batch";
inline constexpr const char* kSpread = "takes a tensor of which no single dimension is the batch";
inline constexpr const char* kMatrix = "multiplies by a matrix that depends on the batch";

inline Carried refuse(const char* reason) {
  return {{}, reason};
}

// A dimension that may be counted from the end.
inline int64_t positive(int64_t dimension, size_t dimensions) {
  return dimension < 0 ? dimension + static_cast<int64_t>(dimensions) : dimension;
}

// Whether `dimension` is among them, in a tensor of `of` dimensions.
bool contains(const Shape& dimensions, int64_t dimension, size_t of);

// Whose is index `index` of the place's dimension.
inline int64_t owner_of(const Way& way, const Place& place, int64_t index) {
  return way.layout.owner(index / place.behind % way.layout.keys());
}

// The same place, in dimension `dimension` of the input.
Carried moved_to(const Way& way, Place place, int64_t dimension);

}  // namespace discreet::carriers
