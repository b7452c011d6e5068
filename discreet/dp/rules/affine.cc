// Parameters that are added to, subtracted from or multiplied with a tensor of the batch, broadcast over the
// samples: gains, shifts, positional tables, learned temperatures. Per sample the gradient is g, or g times
// the other factor, summed over the dimensions that were broadcast.
#include "discreet/dp/rules/parts.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

// x [samples * r, ...], the per-position gradient -> double [samples, numel(shape)].
at::Tensor reduce_to(const at::Tensor& x, const Shape& shape, int64_t samples) {
  Shape split = x.sizes().vec();
  split[0] /= samples;
  split.insert(split.begin(), samples);                                        // [samples, r, ...]
  at::Tensor sum = x.to(at::kDouble).reshape(split).sum(1, /*keepdim=*/true);  // dimension 1: the batch's
  const int64_t missing = x.dim() - static_cast<int64_t>(shape.size());
  Shape summed;
  for (int64_t dimension = 1; dimension < x.dim(); ++dimension)
    if (dimension < missing || shape[dimension - missing] == 1) summed.push_back(dimension + 1);
  if (!summed.empty()) sum = sum.sum(summed, /*keepdim=*/true);
  return sum.reshape({samples, -1});
}

class AffineTerm : public Term {
 public:
  AffineTerm(Node& node, const at::Tensor& g, int64_t samples) : g_(g), samples_(samples) {
    for (uint32_t input = 0; input < 2; ++input) {
      factor_[input] = 1;
      if (node.next_edge(input).is_valid()) shape_[input] = input_shape(node.next_edge(input));
    }
    if (auto* add = dynamic_cast<saved::AddBackward0*>(&node)) factor_[1] = add->alpha.to<double>();
    if (auto* subtract = dynamic_cast<saved::SubBackward0*>(&node))
      factor_[1] = -subtract->alpha.to<double>();
    if (auto* multiply = dynamic_cast<saved::MulBackward0*>(&node)) {
      if (node.should_compute_output(0)) other_[0] = unpack(multiply->other_, node);
      if (node.should_compute_output(1)) other_[1] = unpack(multiply->self_, node);
    }
  }

  SquaredNorms squared_norms(uint32_t input) override { return rows(input).squared_norms(); }
  void add_weighted(uint32_t input, const at::Tensor& weights, int64_t begin, int64_t end,
                    at::Tensor sum) override {
    rows(input).add_weighted(weights, begin, end, sum);
  }
  at::Tensor gradient(uint32_t input, int64_t begin, int64_t end) override {
    return rows(input).gradient(begin, end, shape_[input]);
  }

 private:
  const KeptRows& rows(uint32_t input) {
    if (!rows_[input].defined()) {
      const at::Tensor x = other_[input].defined() ? g_.to(at::kDouble) * other_[input] : g_;
      rows_[input] = KeptRows(reduce_to(x, shape_[input], samples_) * factor_[input]);
    }
    return rows_[input];
  }

  at::Tensor g_, other_[2];
  int64_t samples_;
  double factor_[2];
  Shape shape_[2];
  KeptRows rows_[2];
};

std::string refuse(Node& node, uint32_t input, int64_t samples) {
  const Shape shape = input_shape(node.next_edge(input)), out = output_shape(node);
  if (out.empty() || out[0] % samples != 0) return "the result's first dimension is not the batch";
  if (shape.size() == out.size() && shape[0] != 1) return "it has a row of its own for each row of the batch";
  return "";
}

std::unique_ptr<Term> bind(Node& node, const at::Tensor& g, int64_t samples) {
  return std::make_unique<AffineTerm>(node, g, samples);
}

}  // namespace

namespace rules {
extern const Rule kAdd, kSubtract, kMultiply;
const Rule kAdd{"added parameter", "AddBackward0", refuse, bind};
const Rule kSubtract{"subtracted parameter", "SubBackward0", refuse, bind};
const Rule kMultiply{"multiplied parameter", "MulBackward0", refuse, bind};
}  // namespace rules
}  // namespace discreet
