// Matrices that multiply rows of the batch: out = a W (+ b), for rows a [rows, in] of which each sample owns
// some. Per sample the gradient of the matrix is the sum over its rows of a^T g, that of what is added the
// sum of g. The matrix may also stand on the left of columns: out = W a.
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"

namespace discreet {
namespace {

using namespace libtorch;

// Whether `right` is the side on which the parameter may stand: the batch is in the other factor.
std::string refuse_factor(Node& node, bool right, const Layout& layout) {
  if (layout.samples() == 1) return "";
  const auto place = layout.place(output_shape(node));
  if (!place) return "no single dimension of the result is the batch";
  return place->dimension == (right ? 0 : 1) ? "" : "it stands where the rows of the batch are expected";
}

// left [rows, in], right [in, out], g [rows, out]; undefined where it is the parameter.
std::unique_ptr<Gradients> factor(const at::Tensor& left, const at::Tensor& right, const at::Tensor& g,
                                  const Layout& layout) {
  const Shape out = g.sizes().vec();
  if (left.defined())
    return std::make_unique<OuterProducts>(layout.samples_first(left, 1, out, 1),
                                           layout.samples_first(g, 1, out, 1));
  const Shape turned{out[1], out[0]};
  Layout columns = layout;
  if (layout.samples() > 1) {
    Layout::Place place = *layout.place(out);
    place.dimension = 0;
    columns = layout.at(turned, place);
  }
  return std::make_unique<OuterProducts>(columns.samples_first(g.t(), 1, turned, 1),
                                         columns.samples_first(right.t(), 1, turned, 1));
}

// Of what is added, [out] or any shape that broadcasts to [rows, out].
std::unique_ptr<Gradients> added(const at::Tensor& g, const Layout& layout, const Shape& shape) {
  const Shape out = g.sizes().vec();
  if (shape.size() == 1 && shape[0] == out[1] && layout.leads(out, 1))
    return std::make_unique<RowGradients>(middle_sums(layout.samples_first(g, 1, out, 1)), shape);
  return std::make_unique<RowGradients>(summed_to(g, layout, shape), shape);
}

std::string refuse_addmm(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return broadcast_refusal(output_shape(node), layout, input_shape(node.next_edge(0)));
  return refuse_factor(node, input == 2, layout);
}

std::unique_ptr<Gradients> addmm_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                           const Layout& layout) {
  auto& addmm = dynamic_cast<saved::AddmmBackward0&>(node);
  const double scale = (input == 0 ? addmm.beta : addmm.alpha).to<double>();
  const at::Tensor scaled = scale == 1 ? g : g * scale;
  if (input == 0) return added(scaled, layout, input_shape(node.next_edge(0)));
  return factor(input == 2 ? unpack(addmm.mat1_, node) : at::Tensor(),
                input == 1 ? unpack(addmm.mat2_, node) : at::Tensor(), scaled, layout);
}

std::string refuse_mm(Node& node, uint32_t input, const Layout& layout) {
  return refuse_factor(node, input == 1, layout);
}

std::unique_ptr<Gradients> mm_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                        const Layout& layout) {
  auto& mm = dynamic_cast<saved::MmBackward0&>(node);
  return factor(input == 1 ? unpack(mm.self_, node) : at::Tensor(),
                input == 0 ? unpack(mm.mat2_, node) : at::Tensor(), g, layout);
}

}  // namespace

namespace rules {
extern const Rule kLinearWithBias, kLinear;
const Rule kLinearWithBias{"linear", "AddmmBackward0", refuse_addmm, addmm_gradients};
const Rule kLinear{"linear without bias", "MmBackward0", refuse_mm, mm_gradients};
}  // namespace rules
}  // namespace discreet
