// How operations carry a layout (layout.h) from their output to their inputs: what each keeps of which sample
// is where.
//
// An operation is on the list only if the gradient of the part of its input that one sample owns depends on
// no other sample's part of its output's gradient, and which parts those are follows from shapes, from saved
// dimensions, or from indices that it saved. Everything else is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "discreet/dp/layout.h"
#include "discreet/dp/libtorch.h"

namespace discreet {

struct Carried {
  std::optional<Layout> layout;  // of the input
  std::string reason;            // why there is none: "mixes the samples of the batch"
  bool known = true;             // whether the operation is on the list
};

// From output `output` of the operation, whose layout is `layout`, to its input `input`.
Carried carry(libtorch::Node& node, uint32_t input, uint32_t output, const Layout& layout);

// Whether this product of three tensors is a bilinear layer's: [rows, m], [out, m, k], [rows, k] -> [rows,
// out].
bool is_bilinear(const libtorch::saved::TrilinearBackward0& node);

// Whether the operation is a differentiable function of its tensors alone, with nothing saved that is not
// computed from them, so that where all of them are parameters its result is a function of parameters.
bool is_function_of_its_tensors(libtorch::Node& node);

// Whether it moves, broadcasts or converts a whole tensor, whose numbers stay as they are.
bool moves_whole_tensor(libtorch::Node& node);

}  // namespace discreet
