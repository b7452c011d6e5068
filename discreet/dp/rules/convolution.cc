// Convolutions in one or two dimensions, with stride, padding, dilation and groups. Unfolded, a convolution
// is a matrix product at each output position; per sample the gradient of the weight is the sum over the
// positions of g a^T, that of the bias the sum of g.
#include <algorithm>

#include "discreet/dp/rules/parts.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

constexpr uint32_t kWeightSlot = 1;

class ConvolutionTerm : public Term {
 public:
  ConvolutionTerm(saved::ConvolutionBackward0& node, const at::Tensor& g, int64_t samples)
      : samples_(samples),
        groups_(integer(node.groups)),
        stride_(integers(node.stride)),
        padding_(integers(node.padding)),
        dilation_(integers(node.dilation)),
        g_(g.contiguous()) {
    weight_ = unpack(node.weight_, node);
    if (node.should_compute_output(kWeightSlot)) x_ = unpack(node.input_, node);
    one_dimension_ = g_.dim() == 3;
    for (Shape* setting : {&stride_, &padding_, &dilation_}) {
      if (setting->size() == 1) setting->resize(g_.dim() - 2, setting->front());  // one number for all
    }
    if (one_dimension_) {  // a row of an image of height one
      g_ = g_.unsqueeze(2);
      weight_ = weight_.unsqueeze(2);
      if (x_.defined()) x_ = x_.unsqueeze(2);
      stride_.insert(stride_.begin(), 1);
      padding_.insert(padding_.begin(), 0);
      dilation_.insert(dilation_.begin(), 1);
    }
    images_ = samples == 0 ? 1 : g_.size(0) / samples;
  }

  SquaredNorms squared_norms(uint32_t input) override {
    if (input != kWeightSlot) return bias().squared_norms();
    const int64_t p = g_.size(1) / groups_, d = weight_.numel() / weight_.size(0);
    const int64_t positions = images_ * g_.size(2) * g_.size(3);
    if (outer::direct_is_cheaper(positions, p, d) && samples_ * weight_.numel() <= kKeptNumbers)
      matrices_ = at::empty({samples_ * groups_, p, d}, g_.options());
    SquaredNorms result{at::empty({samples_}, g_.options().dtype(at::kDouble)), {}};
    result.error = at::empty_like(result.squared);
    const int64_t block =
        std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, positions * (d + p) * groups_));
    for (int64_t begin = 0; begin < samples_; begin += block) {
      const int64_t end = std::min(begin + block, samples_);
      const auto [left, right] = unfolded(begin, end);
      at::Tensor kept;
      if (matrices_.defined()) kept = matrices_.slice(0, begin * groups_, end * groups_);
      SquaredNorms part = outer::squared_norms(left, right, kept);
      result.squared.slice(0, begin, end).copy_(part.squared.view({-1, groups_}).sum(1));
      // The error of a norm over groups is at most the sum of the errors.
      if (!part.error.defined()) part.error = at::zeros_like(part.squared);
      result.error.slice(0, begin, end).copy_(part.error.view({-1, groups_}).sum(1));
    }
    return result;
  }

  void add_weighted(uint32_t input, const at::Tensor& weights, int64_t begin, int64_t end,
                    at::Tensor sum) override {
    if (input != kWeightSlot) return bias().add_weighted(weights, begin, end, sum);
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    if (matrices_.defined()) {
      const at::Tensor kept = rows.take(matrices_.view({samples_, weight_.numel()}));
      const bool tiny = rows.weights().abs().min().item<double>() < 0x1p-60;
      const auto precision = tiny ? at::kDouble : kept.scalar_type();
      sum.add_(rows.weights().to(precision).unsqueeze(0).mm(kept.to(precision)).view(sum.sizes()));
      return;
    }
    const at::Tensor g = rows.take_scaled(by_sample(g_)), x = rows.take(by_sample(x_));
    sum.add_(weight_gradient(g.flatten(0, 1), x.flatten(0, 1)).view(sum.sizes()));
  }

  at::Tensor gradient(uint32_t input, int64_t begin, int64_t end) override {
    if (input != kWeightSlot) return bias().gradient(begin, end, {g_.size(1)});
    const at::Tensor g = by_sample(g_).slice(0, begin, end).flatten(0, 1).to(at::kDouble);
    const at::Tensor x = by_sample(x_).slice(0, begin, end).flatten(0, 1).to(at::kDouble);
    const at::Tensor gradient = weight_gradient(g, x);
    return one_dimension_ ? gradient.squeeze(2) : gradient;
  }

 private:
  at::Tensor by_sample(const at::Tensor& x) const {
    Shape shape = x.sizes().vec();
    shape[0] = images_;
    shape.insert(shape.begin(), samples_);
    return x.contiguous().view(shape);
  }

  at::Tensor weight_gradient(const at::Tensor& g, const at::Tensor& x) const {
    return std::get<1>(at::convolution_backward(g, x, weight_.to(g.scalar_type()), c10::nullopt, stride_,
                                                padding_, dilation_, /*transposed=*/false,
                                                /*output_padding=*/{0, 0}, groups_, {false, true, false}));
  }

  // left [n * groups, t, p], right [n * groups, t, d]
  std::pair<at::Tensor, at::Tensor> unfolded(int64_t begin, int64_t end) const {
    const int64_t n = end - begin;
    const at::Tensor x = x_.slice(0, begin * images_, end * images_);
    const at::Tensor a = at::im2col(x, weight_.sizes().slice(2), dilation_, padding_, stride_);
    const at::Tensor g = g_.slice(0, begin * images_, end * images_).flatten(2);
    const auto arranged = [&](const at::Tensor& channels) {  // [n * images, groups * c, t]
      const int64_t c = channels.size(1) / groups_, t = channels.size(2);
      return channels.view({n, images_, groups_, c, t})
          .permute({0, 2, 1, 4, 3})
          .reshape({n * groups_, images_ * t, c});
    };
    return {arranged(g), arranged(a)};
  }

  const KeptRows& bias() {
    if (!bias_.defined()) {
      const at::Tensor sums = row_sums(g_.flatten(2).flatten(0, 1)).view({samples_, images_, g_.size(1)});
      bias_ = KeptRows(sums.sum(1));
    }
    return bias_;
  }

  int64_t samples_, images_, groups_;
  bool one_dimension_;
  Shape stride_, padding_, dilation_;
  at::Tensor x_, g_, weight_;
  at::Tensor matrices_;  // the samples' own gradients, where they were the cheap way to the norms
  KeptRows bias_;
};

std::string refuse(Node& node, uint32_t input, int64_t) {
  auto& convolution = dynamic_cast<saved::ConvolutionBackward0&>(node);
  const size_t dimensions = output_shape(node).size();
  if (input == 0) return "it stands where the rows of the batch are expected";
  if (convolution.transposed) return "transposed convolution";
  if (dimensions != 3 && dimensions != 4) return "convolution in three dimensions";
  return "";
}

std::unique_ptr<Term> bind(Node& node, const at::Tensor& g, int64_t samples) {
  return std::make_unique<ConvolutionTerm>(dynamic_cast<saved::ConvolutionBackward0&>(node), g, samples);
}

}  // namespace

namespace rules {
extern const Rule kConvolution;
const Rule kConvolution{"convolution", "ConvolutionBackward0", refuse, bind};
}  // namespace rules
}  // namespace discreet
