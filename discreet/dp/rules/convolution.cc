// Convolutions in one, two or three dimensions, also transposed, with stride, padding, dilation and groups.
// Unfolded, a convolution is a matrix product at each output position; per sample the gradient of the weight
// is the sum over the positions of g a^T, that of the bias the sum of g. A transposed convolution is the same
// with the input and the gradient of the output exchanged.
#include <algorithm>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

using namespace libtorch;

constexpr uint32_t kWeightSlot = 1;

// The numbers of a convolution, one for each spatial dimension.
struct Geometry {
  Shape stride, padding, dilation, output_padding;
  int64_t groups;
  bool transposed;
};

Geometry geometry(saved::ConvolutionBackward0& node, int64_t spatial) {
  Geometry result{integers(node.stride),         integers(node.padding), integers(node.dilation),
                  integers(node.output_padding), integer(node.groups),   node.transposed};
  for (Shape* setting : {&result.stride, &result.padding, &result.dilation, &result.output_padding})
    if (setting->size() == 1) setting->resize(spatial, setting->front());  // one number for all
  return result;
}

// x [n, c, ...] -> [n, c * kernel, positions], as convolving reads it; `most`: positions kept by dimension.
at::Tensor unfold(const at::Tensor& x, at::IntArrayRef kernel, const Geometry& by, at::IntArrayRef most) {
  const int64_t n = x.size(0), spatial = x.dim() - 2;
  if (spatial == 2 && !by.transposed) return at::im2col(x, kernel, by.dilation, by.padding, by.stride);
  Shape pad;
  for (int64_t d = spatial - 1; d >= 0; --d) pad.insert(pad.end(), {by.padding[d], by.padding[d]});
  at::Tensor result = at::constant_pad_nd(x, pad);
  for (int64_t d = 0; d < spatial; ++d) {
    result = result.unfold(d + 2, (kernel[d] - 1) * by.dilation[d] + 1, by.stride[d]);  // last: the window
    result = result.slice(-1, 0, c10::nullopt, by.dilation[d]).slice(d + 2, 0, most[d]);
  }
  Shape order{0, 1};  // [n, c, positions..., kernel...] -> [n, c, kernel..., positions...]
  for (int64_t d = 0; d < spatial; ++d) order.push_back(2 + spatial + d);
  for (int64_t d = 0; d < spatial; ++d) order.push_back(2 + d);
  const int64_t positions = c10::multiply_integers(most);
  return result.permute(order).reshape({n, -1, positions});
}

// Samples own `images` consecutive images each.
class WeightGradients : public Gradients {
 public:
  // x, g: [samples * images, channels, ...]
  WeightGradients(at::Tensor x, at::Tensor g, at::Tensor weight, Geometry by, int64_t samples)
      : samples_(samples),
        images_(g.size(0) / std::max<int64_t>(1, samples)),
        by_(std::move(by)),
        x_(std::move(x)),
        g_(std::move(g)),
        weight_(std::move(weight)) {}

  SquaredNorms squared_norms() override {
    const at::Tensor& rows = by_.transposed ? x_ : g_;  // whose channels are the weight's first dimension
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    const int64_t positions = images_ * c10::multiply_integers(rows.sizes().slice(2));
    if (outer::direct_is_cheaper(positions, p, d) && samples_ * weight_.numel() <= kKeptNumbers)
      matrices_ = at::empty({samples_ * by_.groups, p, d}, g_.options());
    SquaredNorms result{at::empty({samples_}, g_.options().dtype(at::kDouble)), {}};
    result.error = at::empty_like(result.squared);
    const int64_t block =
        std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, positions * (d + p) * by_.groups));
    for (int64_t begin = 0; begin < samples_; begin += block) {
      const int64_t end = std::min(begin + block, samples_);
      const auto [left, right] = unfolded(begin, end);
      at::Tensor kept;
      if (matrices_.defined()) kept = matrices_.slice(0, begin * by_.groups, end * by_.groups);
      SquaredNorms part = outer::squared_norms(left, right, kept);
      result.squared.slice(0, begin, end).copy_(part.squared.view({-1, by_.groups}).sum(1));
      // The error of a norm over groups is at most the sum of the errors.
      if (!part.error.defined()) part.error = at::zeros_like(part.squared);
      result.error.slice(0, begin, end).copy_(part.error.view({-1, by_.groups}).sum(1));
    }
    return result;
  }

  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    if (matrices_.defined()) {
      const at::Tensor kept = rows.take(matrices_.view({samples_, weight_.numel()}));
      const auto precision = rows.tiny() ? at::kDouble : kept.scalar_type();
      sum.add_(rows.weights().to(precision).unsqueeze(0).mm(kept.to(precision)).view(sum.sizes()));
      return;
    }
    const at::Tensor g = rows.take_scaled(by_sample(g_)), x = rows.take(by_sample(x_));
    sum.add_(sum_of_all(g.flatten(0, 1), x.flatten(0, 1)));
  }

  at::Tensor gradient(int64_t begin, int64_t end) override {
    const auto part = [&](const at::Tensor& x) {
      return x.slice(0, begin * images_, end * images_).to(at::kDouble);
    };
    return sum_of_all(part(g_), part(x_));
  }

 private:
  at::Tensor by_sample(const at::Tensor& x) const {
    Shape shape = x.sizes().vec();
    shape[0] = images_;
    shape.insert(shape.begin(), samples_);
    return x.view(shape);
  }

  at::Tensor sum_of_all(const at::Tensor& g, const at::Tensor& x) const {
    return std::get<1>(at::convolution_backward(g, x, weight_.to(g.scalar_type()), c10::nullopt, by_.stride,
                                                by_.padding, by_.dilation, by_.transposed, by_.output_padding,
                                                by_.groups, {false, true, false}));
  }

  // left [n * groups, t, p], right [n * groups, t, d]
  std::pair<at::Tensor, at::Tensor> unfolded(int64_t begin, int64_t end) const {
    const int64_t n = end - begin;
    const auto part = [&](const at::Tensor& x) { return x.slice(0, begin * images_, end * images_); };
    const at::Tensor rows = part(by_.transposed ? x_ : g_), columns = part(by_.transposed ? g_ : x_);
    const auto arranged = [&](const at::Tensor& channels) {  // [n * images, groups * c, t]
      const int64_t c = channels.size(1) / by_.groups, t = channels.size(2);
      return channels.view({n, images_, by_.groups, c, t})
          .permute({0, 2, 1, 4, 3})
          .reshape({n * by_.groups, images_ * t, c});
    };
    return {arranged(rows.flatten(2)),
            arranged(unfold(columns, weight_.sizes().slice(2), by_, rows.sizes().slice(2)))};
  }

  int64_t samples_, images_;
  Geometry by_;
  at::Tensor x_, g_, weight_;
  at::Tensor matrices_;  // the samples' own gradients, where they were the cheap way to the norms
};

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return "it stands where the rows of the batch are expected";
  const Shape out = output_shape(node);
  return layout.leads(out, static_cast<int64_t>(out.size()) - 1) ? ""
                                                                 : "the batch is not its first dimension";
}

std::unique_ptr<Gradients> gradients(Node& node, uint32_t input, const at::Tensor& flowing,
                                     const Layout& layout) {
  const at::Tensor g = at_least_float(flowing);
  auto& convolution = dynamic_cast<saved::ConvolutionBackward0&>(node);
  const Shape out = g.sizes().vec();
  const int64_t trailing = g.dim() - 1;
  if (input != kWeightSlot) {
    const at::Tensor sums = row_sums(g.reshape({out[0] * out[1], -1})).view({out[0], out[1]});
    return std::make_unique<RowGradients>(middle_sums(layout.samples_first(sums, 1, out, trailing)),
                                          Shape{out[1]});
  }
  const auto by_sample = [&](const at::Tensor& x) {
    return layout.samples_first(at_least_float(x), trailing, out, trailing).flatten(0, 1).contiguous();
  };
  return std::make_unique<WeightGradients>(by_sample(unpack(convolution.input_, node)), by_sample(g),
                                           unpack(convolution.weight_, node),
                                           geometry(convolution, g.dim() - 2), layout.samples());
}

}  // namespace

namespace rules {
extern const Rule kConvolution;
const Rule kConvolution{"convolution", "ConvolutionBackward0", refuse, gradients};
}  // namespace rules
}  // namespace discreet
