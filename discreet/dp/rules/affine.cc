// Parameters that are added to, subtracted from, multiplied with or divide a tensor of the batch, broadcast
// over the samples: gains, shifts, positional tables, learned temperatures; and parameters that are only
// broadcast: learned tokens. Per sample the gradient is g times the derivative, summed over the dimensions
// that were broadcast.
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  return broadcast_refusal(output_shape(node), layout, input_shape(node.next_edge(input)));
}

std::unique_ptr<Gradients> summed(const at::Tensor& x, Node& node, uint32_t input, const Layout& layout) {
  const Shape shape = input_shape(node.next_edge(input));
  return std::make_unique<RowGradients>(summed_to(x, layout, shape), shape);
}

std::unique_ptr<Gradients> add(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  const double factor = input == 0 ? 1 : dynamic_cast<saved::AddBackward0&>(node).alpha.to<double>();
  return summed(factor == 1 ? g : g.to(at::kDouble) * factor, node, input, layout);
}

std::unique_ptr<Gradients> subtract(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  const double factor = input == 0 ? 1 : -dynamic_cast<saved::SubBackward0&>(node).alpha.to<double>();
  return summed(factor == 1 ? g : g.to(at::kDouble) * factor, node, input, layout);
}

std::unique_ptr<Gradients> multiply(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  auto& multiply = dynamic_cast<saved::MulBackward0&>(node);
  const at::Tensor other = unpack(input == 0 ? multiply.other_ : multiply.self_, node);
  return summed(g.to(at::kDouble) * other, node, input, layout);
}

// a / b: 1 / b, and -a / b^2.
std::unique_ptr<Gradients> divide(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  auto& divide = dynamic_cast<saved::DivBackward0&>(node);
  const at::Tensor other = unpack(divide.other_, node).to(at::kDouble);
  at::Tensor x = g.to(at::kDouble) / other;
  if (input == 1) x = -x * (unpack(divide.self_, node) / other);
  return summed(x, node, input, layout);
}

std::unique_ptr<Gradients> expand(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  return summed(g, node, input, layout);
}

}  // namespace

namespace rules {
extern const Rule kAdd, kSubtract, kMultiply, kDivide, kExpand;
const Rule kAdd{"added parameter", "AddBackward0", refuse, add};
const Rule kSubtract{"subtracted parameter", "SubBackward0", refuse, subtract};
const Rule kMultiply{"multiplied parameter", "MulBackward0", refuse, multiply};
const Rule kDivide{"dividing parameter", "DivBackward0", refuse, divide};
const Rule kExpand{"expanded parameter", "ExpandBackward0", refuse, expand};
}  // namespace rules
}  // namespace discreet
