// Parameters that are added to, subtracted from, multiplied with or divide a tensor of the batch, broadcast
// over the samples: gains, shifts, positional tables, learned temperatures, tokens put in place of masked
// ones; and parameters that are only broadcast or repeated: learned tokens. Per sample the gradient is g
// times the derivative, summed over the dimensions that were broadcast.
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

// a + value * b * c
std::unique_ptr<Gradients> add_product(Node& node, uint32_t input, const at::Tensor& g,
                                       const Layout& layout) {
  auto& addcmul = dynamic_cast<saved::AddcmulBackward0&>(node);
  if (input == 0) return summed(g, node, input, layout);
  const at::Tensor other = unpack(input == 1 ? addcmul.tensor2_ : addcmul.tensor1_, node);
  return summed(g.to(at::kDouble) * other * addcmul.value.to<double>(), node, input, layout);
}

// a + w (b - a)
std::unique_ptr<Gradients> interpolate(Node& node, uint32_t input, const at::Tensor& g,
                                       const Layout& layout) {
  auto& lerp = dynamic_cast<saved::LerpBackward1&>(node);
  const at::Tensor wide = g.to(at::kDouble);
  if (input == 2)
    return summed(wide * (unpack(lerp.end_, node).to(at::kDouble) - unpack(lerp.self_, node)), node, input,
                  layout);
  const at::Tensor weight = unpack(lerp.weight_, node).to(at::kDouble);
  return summed(wide * (input == 1 ? weight : 1 - weight), node, input, layout);
}

// a where the condition holds, else b: nothing of the other's gradient, whatever it is.
std::unique_ptr<Gradients> choose(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  const at::Tensor condition = unpack(dynamic_cast<saved::WhereBackward0&>(node).condition_, node);
  return summed(g.masked_fill(input == 0 ? condition.logical_not() : condition, 0), node, input, layout);
}

// In the shape that keeps the repeats apart from what is repeated, repeating is broadcasting.
struct Apart {
  Shape out, in;  // [repeats, size, repeats, size, ...], [1, size, 1, size, ...]
};

Apart repeats_apart(Node& node) {
  const Shape repeats = integers(dynamic_cast<saved::RepeatBackward0&>(node).repeats);
  const Shape sizes = input_shape(node.next_edge(0));
  Apart apart;
  for (size_t d = 0; d < repeats.size(); ++d) {
    const size_t missing = repeats.size() - sizes.size();
    const int64_t size = d < missing ? 1 : sizes[d - missing];
    apart.out.insert(apart.out.end(), {repeats[d], size});
    apart.in.insert(apart.in.end(), {1, size});
  }
  return apart;
}

std::string refuse_repeat(Node& node, uint32_t, const Layout& layout) {
  const Apart apart = repeats_apart(node);
  return broadcast_refusal(apart.out, layout, apart.in);
}

std::unique_ptr<Gradients> repeat(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  const Apart apart = repeats_apart(node);
  return std::make_unique<RowGradients>(summed_to(g.reshape(apart.out), layout, apart.in),
                                        input_shape(node.next_edge(0)));
}

}  // namespace

namespace rules {
extern const Rule kAdd, kSubtract, kMultiply, kDivide, kAddProduct, kInterpolate, kChoose, kExpand, kRepeat;
const Rule kAdd{"added parameter", "AddBackward0", refuse, add};
const Rule kSubtract{"subtracted parameter", "SubBackward0", refuse, subtract};
const Rule kMultiply{"multiplied parameter", "MulBackward0", refuse, multiply};
const Rule kDivide{"dividing parameter", "DivBackward0", refuse, divide};
const Rule kAddProduct{"parameter of addcmul", "AddcmulBackward0", refuse, add_product};
const Rule kInterpolate{"parameter of lerp", "LerpBackward1", refuse, interpolate};
const Rule kChoose{"chosen parameter", "WhereBackward0", refuse, choose};
const Rule kExpand{"expanded parameter", "ExpandBackward0", refuse, expand};
const Rule kRepeat{"repeated parameter", "RepeatBackward0", refuse_repeat, repeat};
}  // namespace rules
}  // namespace discreet
