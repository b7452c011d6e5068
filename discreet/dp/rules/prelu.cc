// Learned slopes of a rectifier below 0, one for all or one for each channel: out = x, or slope * x where x
// is below 0. Per sample the gradient of a slope is the sum of g * x over its numbers below 0.
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

// Of the slope, as it is broadcast to the output.
Shape broadcast_shape(Node& node) {
  Shape slope = input_shape(node.next_edge(1));
  const size_t dimensions = output_shape(node).size();
  if (slope.size() != 1 || slope[0] == 1 || dimensions < 2) return slope;
  slope.resize(dimensions - 1, 1);  // [channels, 1, ...] beside [samples, channels, ...]
  return slope;
}

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  if (input != 1) return "it stands where the rows of the batch are expected";
  return broadcast_refusal(output_shape(node), layout, broadcast_shape(node));
}

std::unique_ptr<Gradients> gradients(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  const at::Tensor x = unpack(dynamic_cast<PreluNode&>(node).self_, node);
  const at::Tensor part = (g.to(at::kDouble) * x).masked_fill_(x > 0, 0);
  return std::make_unique<RowGradients>(summed_to(part, layout, broadcast_shape(node)),
                                        input_shape(node.next_edge(1)));
}

}  // namespace

namespace rules {
extern const Rule kPrelu;
const Rule kPrelu{"learned slope", kPreluNode, refuse, gradients};
}  // namespace rules
}  // namespace discreet
