// Products with vectors: rows of the batch with a vector, out = X v (+ b), whose gradient per sample is the
// sum over its rows x of g x; and where all of the result is one sample's, a matrix with its vector, or two
// vectors with each other.
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"

namespace discreet {
namespace {

using namespace libtorch;

std::string refuse_unless_one_owner(const Layout& layout) {
  return layout.samples() == 1 || layout.keys() == 1 ? ""
                                                     : "it stands where the rows of the batch are expected";
}

// row [width] of the one sample that all belongs to -> [samples, 1, width]
at::Tensor of_owner(const at::Tensor& row, const Layout& layout) {
  const Shape shape{1, row.size(0)};
  return layout.whole(shape, layout.owner(0)).samples_first(row.unsqueeze(0), 1, shape, 1);
}

// matrix [rows, width] x vector [width] -> g [rows]
std::unique_ptr<Gradients> vector_gradients(const at::Tensor& matrix, const at::Tensor& g,
                                            const Layout& layout) {
  const at::Tensor parts = g.to(at::kDouble).unsqueeze(1) * matrix;
  return std::make_unique<RowGradients>(middle_sums(layout.samples_first(parts, 1, g.sizes().vec(), 0)),
                                        Shape{matrix.size(1)});
}

std::unique_ptr<Gradients> matrix_gradients(const at::Tensor& vector, const at::Tensor& g,
                                            const Layout& layout) {
  return std::make_unique<OuterProducts>(of_owner(g, layout), of_owner(vector, layout));
}

std::string refuse_mv(Node&, uint32_t input, const Layout& layout) {
  return input == 1 ? "" : refuse_unless_one_owner(layout);
}

std::unique_ptr<Gradients> mv_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                        const Layout& layout) {
  auto& mv = dynamic_cast<saved::MvBackward0&>(node);
  return input == 1 ? vector_gradients(unpack(mv.self_, node), g, layout)
                    : matrix_gradients(unpack(mv.vec_, node), g, layout);
}

std::string refuse_addmv(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return broadcast_refusal(output_shape(node), layout, input_shape(node.next_edge(0)));
  return input == 2 ? "" : refuse_unless_one_owner(layout);
}

std::unique_ptr<Gradients> addmv_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                           const Layout& layout) {
  auto& addmv = dynamic_cast<saved::AddmvBackward0&>(node);
  const double scale = (input == 0 ? addmv.beta : addmv.alpha).to<double>();
  const at::Tensor scaled = scale == 1 ? g : at_least_float(g) * scale;
  if (input == 0) {
    const Shape shape = input_shape(node.next_edge(0));
    return std::make_unique<RowGradients>(summed_to(scaled, layout, shape), shape);
  }
  return input == 2 ? vector_gradients(unpack(addmv.mat_, node), scaled, layout)
                    : matrix_gradients(unpack(addmv.vec_, node), scaled, layout);
}

std::string refuse_dot(Node&, uint32_t, const Layout& layout) {
  return refuse_unless_one_owner(layout);
}

std::unique_ptr<Gradients> dot_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                         const Layout& layout) {
  auto& dot = dynamic_cast<saved::DotBackward0&>(node);
  const at::Tensor part = g.to(at::kDouble) * unpack(input == 0 ? dot.tensor_ : dot.self_, node);
  return std::make_unique<RowGradients>(of_owner(part, layout).squeeze(1), Shape{part.size(0)});
}

}  // namespace

namespace rules {
extern const Rule kMatrixVector, kMatrixVectorWithBias, kDot;
const Rule kMatrixVector{"matrix and vector", "MvBackward0", refuse_mv, mv_gradients};
const Rule kMatrixVectorWithBias{"matrix and vector with bias", "AddmvBackward0", refuse_addmv,
                                 addmv_gradients};
const Rule kDot{"two vectors", "DotBackward0", refuse_dot, dot_gradients};
}  // namespace rules
}  // namespace discreet
