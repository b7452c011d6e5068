// Several matrices side by side, one for each head or group: out[b] = x[b] W[b], or W[b] x[b], for rows (or
// columns) of x of which each sample owns some. Per sample the gradient of W[b] is the sum over its rows of
// x[b]^T g[b], that of what is added the sum of g.
#include <utility>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

using namespace libtorch;

// Per sample and group the sum over t of left[t] right[t]^T.
class GroupedProducts : public Gradients {
 public:
  // left [samples, groups, t, m], right [samples, groups, t, k]
  GroupedProducts(const at::Tensor& left, const at::Tensor& right)
      : left_(at_least_float(left)), right_(at_least_float(right)) {}

  SquaredNorms squared_norms() override {
    return outer::sum_groups(outer::squared_norms(left_.flatten(0, 1), right_.flatten(0, 1), norm_way()),
                             left_.size(1));
  }

  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    sum.add_(product(rows.take_scaled(left_), rows.take(right_)));
  }

  at::Tensor gradient(int64_t begin, int64_t end) override {
    return product(left_.slice(0, begin, end).to(at::kDouble), right_.slice(0, begin, end).to(at::kDouble));
  }

  bool absorb(Gradients& other) override {
    auto* more = dynamic_cast<GroupedProducts*>(&other);
    if (more == nullptr) return false;
    left_ = at::cat({left_, more->left_}, 2);
    right_ = at::cat({right_, more->right_}, 2);
    return true;
  }

  std::optional<RulePlan> plan() override {
    return outer::plan(norm_way(), left_.options(), left_.size(0) * left_.size(1), left_.size(2),
                       left_.size(3), right_.size(3));
  }

 private:
  static at::Tensor product(const at::Tensor& left, const at::Tensor& right) {
    const auto by_group = [](const at::Tensor& x) { return x.transpose(0, 1).flatten(1, 2); };
    return by_group(left).transpose(1, 2).bmm(by_group(right));
  }

  at::Tensor left_, right_;
};

// The dimension of the result that must be the batch where the parameter is the right or the left factor.
int64_t rows_dimension(bool right) {
  return right ? 1 : 2;
}

std::string refuse_factor(Node& node, bool right, const Layout& layout) {
  if (layout.samples() == 1 || layout.keys() == 1) return "";
  const auto place = layout.place(output_shape(node));
  if (!place) return "no single dimension of the result is the batch";
  if (place->dimension == 0) return "it has a matrix of its own for each row of the batch";
  return place->dimension == rows_dimension(right) ? ""
                                                   : "it stands where the rows of the batch are expected";
}

// other [groups, rows, in] and g [groups, rows, out] for a right factor [groups, in, out]; of a left factor
// [groups, out, in] both are transposed to be so.
std::unique_ptr<Gradients> factor(const at::Tensor& other, const at::Tensor& g, bool right,
                                  const Layout& layout) {
  const auto rows_first = [&](const at::Tensor& x) {
    return (right ? x : x.transpose(1, 2)).transpose(0, 1);
  };
  const Shape turned = rows_first(g).sizes().vec();
  Layout by_row = layout.whole(turned, layout.owner(0));
  if (layout.samples() > 1 && layout.keys() > 1) {
    Layout::Place place = *layout.place(g.sizes().vec());
    place.dimension = 0;
    by_row = layout.at(turned, place);
  }
  const auto arranged = [&](const at::Tensor& x) {
    return by_row.samples_first(rows_first(x), 2, turned, 2).transpose(1, 2);
  };
  at::Tensor from = arranged(other), to = arranged(g);
  if (!right) std::swap(from, to);
  return std::make_unique<GroupedProducts>(from, to);
}

std::string refuse_bmm(Node& node, uint32_t input, const Layout& layout) {
  return refuse_factor(node, input == 1, layout);
}

std::unique_ptr<Gradients> bmm_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                         const Layout& layout) {
  auto& bmm = dynamic_cast<saved::BmmBackward0&>(node);
  return factor(unpack(input == 1 ? bmm.self_ : bmm.mat2_, node), g, input == 1, layout);
}

std::string refuse_baddbmm(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return broadcast_refusal(output_shape(node), layout, input_shape(node.next_edge(0)));
  return refuse_factor(node, input == 2, layout);
}

std::unique_ptr<Gradients> baddbmm_gradients(Node& node, uint32_t input, const at::Tensor& g,
                                             const Layout& layout) {
  auto& baddbmm = dynamic_cast<saved::BaddbmmBackward0&>(node);
  const double scale = (input == 0 ? baddbmm.beta : baddbmm.alpha).to<double>();
  const at::Tensor scaled = scale == 1 ? g : at_least_float(g) * scale;
  if (input == 0) {
    const Shape shape = input_shape(node.next_edge(0));
    return std::make_unique<RowGradients>(summed_to(scaled, layout, shape), shape);
  }
  return factor(unpack(input == 2 ? baddbmm.batch1_ : baddbmm.batch2_, node), scaled, input == 2, layout);
}

}  // namespace

namespace rules {
extern const Rule kBatchProduct, kBatchProductWithBias;
const Rule kBatchProduct{"matrices side by side", "BmmBackward0", refuse_bmm, bmm_gradients};
const Rule kBatchProductWithBias{"matrices side by side with bias", "BaddbmmBackward0", refuse_baddbmm,
                                 baddbmm_gradients};
}  // namespace rules
}  // namespace discreet
