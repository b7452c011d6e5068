// Linear layers: out = a W^T + b, for rows a [samples * r, in]. Per sample the gradient of the weight is the
// sum over its r rows of a^T g, that of the bias the sum of g.
#include "discreet/dp/rules/parts.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

class LinearTerm : public Term {
 public:
  // a [samples * r, in], g [samples * r, out]; the slot of the matrix has shape [in, out].
  LinearTerm(const at::Tensor& a, const at::Tensor& g, int64_t samples, uint32_t matrix_slot)
      : a_(a.view({samples, a.size(0) / samples, a.size(1)})),
        g_(g.view({samples, g.size(0) / samples, g.size(1)})),
        matrix_slot_(matrix_slot) {}

  SquaredNorms squared_norms(uint32_t input) override {
    return input == matrix_slot_ ? outer::squared_norms(a_, g_) : bias().squared_norms();
  }

  void add_weighted(uint32_t input, const at::Tensor& weights, int64_t begin, int64_t end,
                    at::Tensor sum) override {
    if (input != matrix_slot_) return bias().add_weighted(weights, begin, end, sum);
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    const bool scale_g = g_.size(2) <= a_.size(2);
    outer::add_product(scale_g ? rows.take(a_) : rows.take_scaled(a_),
                       scale_g ? rows.take_scaled(g_) : rows.take(g_), sum);
  }

  at::Tensor gradient(uint32_t input, int64_t begin, int64_t end) override {
    if (input != matrix_slot_) return bias().gradient(begin, end, {g_.size(2)});
    const at::Tensor a = a_.slice(0, begin, end).to(at::kDouble).flatten(0, 1);
    return a.t().mm(g_.slice(0, begin, end).to(at::kDouble).flatten(0, 1));
  }

 private:
  const KeptRows& bias() {
    if (!bias_.defined()) bias_ = KeptRows(middle_sums(g_));
    return bias_;
  }

  at::Tensor a_, g_;  // [samples, r, in], [samples, r, out]
  uint32_t matrix_slot_;
  KeptRows bias_;
};

std::string refuse_addmm(Node& node, uint32_t input, int64_t) {
  auto& addmm = dynamic_cast<saved::AddmmBackward0&>(node);
  if (input == 1) return "it stands where the rows of the batch are expected";
  if (addmm.alpha.to<double>() != 1 || addmm.beta.to<double>() != 1)
    return "addmm with alpha or beta other than 1";
  if (input == 0 && input_shape(node.next_edge(0)).size() != 1) return "the added parameter is not a vector";
  return "";
}

std::unique_ptr<Term> bind_addmm(Node& node, const at::Tensor& g, int64_t samples) {
  auto& addmm = dynamic_cast<saved::AddmmBackward0&>(node);
  // The rows are saved only where the matrix is trained; a trained bias alone needs none.
  const at::Tensor a =
      node.should_compute_output(2) ? unpack(addmm.mat1_, node) : g.new_empty({g.size(0), 0});
  return std::make_unique<LinearTerm>(a.contiguous(), g.contiguous(), samples, 2);
}

std::string refuse_mm(Node&, uint32_t input, int64_t) {
  return input == 0 ? "it stands where the rows of the batch are expected" : "";
}

std::unique_ptr<Term> bind_mm(Node& node, const at::Tensor& g, int64_t samples) {
  auto& mm = dynamic_cast<saved::MmBackward0&>(node);
  return std::make_unique<LinearTerm>(unpack(mm.self_, node).contiguous(), g.contiguous(), samples, 1);
}

}  // namespace

namespace rules {
extern const Rule kLinearWithBias, kLinear;
const Rule kLinearWithBias{"linear", "AddmmBackward0", refuse_addmm, bind_addmm};
const Rule kLinear{"linear without bias", "MmBackward0", refuse_mm, bind_mm};
}  // namespace rules
}  // namespace discreet
