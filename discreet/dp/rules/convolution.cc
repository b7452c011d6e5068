// Convolutions in one, two or three dimensions, also transposed, with stride, padding, dilation and groups.
// Unfolded, a convolution is a matrix product at each output position; per sample the gradient of the weight
// is the sum over the positions of g a^T, that of the bias the sum of g. A transposed convolution is the same
// with the input and the gradient of the output exchanged.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/unfolded_columns.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

using namespace libtorch;

constexpr uint32_t kWeightSlot = 1;
// Gradients are kept up to so many numbers for each that they are made of: then the sum needs no second
// product.
constexpr double kKeptShare = 1.25;

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

// Images x [n, c, height, width] -> [n, positions, c * kernel].
template <typename Number>
at::Tensor unfold_images(const at::Tensor& images, at::IntArrayRef kernel, const Geometry& by,
                         at::IntArrayRef out) {
  const at::Tensor x = images.contiguous();
  const int64_t c = x.size(1), height = x.size(2), width = x.size(3), d = c * kernel[0] * kernel[1];
  const at::Tensor result = at::zeros({x.size(0), out[0] * out[1], d}, x.options());
  const auto* from = x.data_ptr<Number>();
  auto* to = result.data_ptr<Number>();
  at::parallel_for(0, x.size(0) * out[0], 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {  // of positions, in one image
      const int64_t top = line % out[0] * by.stride[0] - by.padding[0];
      const Number* image = from + line / out[0] * c * height * width;
      for (int64_t column = 0; column < out[1]; ++column) {
        const int64_t left = column * by.stride[1] - by.padding[1], dilation = by.dilation[1];
        const int64_t first = left < 0 ? (-left + dilation - 1) / dilation : 0;  // places inside the image
        const int64_t last = left < width ? std::min(kernel[1], (width - 1 - left) / dilation + 1) : 0;
        Number* row = to + (line * out[1] + column) * d;
        for (int64_t channel = 0; channel < c; ++channel)
          for (int64_t k = 0; k < kernel[0]; ++k, row += kernel[1]) {
            const int64_t y = top + k * by.dilation[0];
            if (y < 0 || y >= height) continue;
            const Number* source = image + (channel * height + y) * width + left;
            for (int64_t place = first; place < last; ++place) row[place] = source[place * dilation];
          }
      }
    }
  });
  return result;
}

// x [n, c, ...] -> [n, c * kernel, positions], as convolving reads it; `most`: positions kept by dimension.
at::Tensor unfold(const at::Tensor& x, at::IntArrayRef kernel, const Geometry& by, at::IntArrayRef most) {
  const int64_t n = x.size(0), spatial = x.dim() - 2;
  const bool of_images = spatial == 2 && !is_on_device(x);
  if (of_images && x.scalar_type() == at::kFloat)
    return unfold_images<float>(x, kernel, by, most).transpose(1, 2);
  if (of_images && x.scalar_type() == at::kDouble)
    return unfold_images<double>(x, kernel, by, most).transpose(1, 2);
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
    if (by_tiles()) return norms_by_tiles();
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    if (keeps_products()) matrices_ = at::empty({samples_ * by_.groups, p, d}, g_.options());
    const auto zeros = [&] { return at::zeros({samples_}, g_.options().dtype(at::kDouble)); };
    SquaredNorms result{zeros(), zeros(), zeros()};
    const int64_t block = block_of_unfolded();
    for (int64_t begin = 0; begin < samples_; begin += block) {
      const int64_t end = std::min(begin + block, samples_);
      const auto [left, right] = unfolded(begin, end);
      at::Tensor kept;
      if (matrices_.defined()) kept = matrices_.slice(0, begin * by_.groups, end * by_.groups);
      const SquaredNorms part =
          outer::sum_groups(outer::squared_norms(left, right, norm_way(), kept), by_.groups);
      result.squared.slice(0, begin, end).copy_(part.squared);
      if (part.error.defined()) result.error.slice(0, begin, end).copy_(part.error);
      if (part.squared_error.defined()) result.squared_error.slice(0, begin, end).copy_(part.squared_error);
    }
    return result;
  }

  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (!rows.empty()) sum.add_(weighted(rows).view(sum.sizes()));
  }

  bool write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    if (g_.scalar_type() != sum.scalar_type() || !sum.is_contiguous()) return false;
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) {
      sum.zero_();
    } else {
      sum.copy_(weighted(rows).view(sum.sizes()));
    }
    return true;
  }

  at::Tensor gradient(int64_t begin, int64_t end) override {
    const auto part = [&](const at::Tensor& x) {
      return x.slice(0, begin * images_, end * images_).to(at::kDouble);
    };
    return sum_of_all(part(g_), part(x_));
  }

  std::optional<RulePlan> plan() override {
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    const int64_t t = positions_of_one();
    const bool keeps = by_tiles() ? keeps_tiles() : keeps_products();
    const NormWay way = by_tiles() || keeps ? NormWay::kDirect : norm_way();
    RulePlan plan = outer::plan(way, g_.options(), samples_ * by_.groups, t, p, d);
    const auto number = static_cast<double>(g_.element_size());
    const double kept = number * static_cast<double>(weight_.numel()) * static_cast<double>(samples_);
    if (by_tiles()) {
      plan.bytes = keeps ? kept : 0;
      plan.rounding *= std::sqrt(static_cast<double>(places()));
      return plan;
    }
    const int64_t block = std::min(samples_, block_of_unfolded());
    const RulePlan of_block = outer::plan(way, g_.options(), block * by_.groups, t, p, d);
    plan.bytes =
        static_cast<double>(block * t * (d + p) * by_.groups) * number + (keeps ? kept : of_block.bytes);
    return plan;
  }

 private:
  bool has_kernels() const { return outer::has_kernels(g_.options()) && outer::has_kernels(x_.options()); }

  bool keeps_all() const { return samples_ * weight_.numel() <= kKeptNumbers; }

  // Whether the products of unfolded samples are kept for the sum.
  bool keeps_products() const {
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    return outer::is_direct(norm_way(), has_kernels(), positions_of_one(), p, d) && keeps_all();
  }

  bool keeps_tiles() const {
    return static_cast<double>(weight_.numel() * samples_) <=
           kKeptShare * static_cast<double>(g_.numel() + x_.numel());
  }

  // Samples that are unfolded at a time.
  int64_t block_of_unfolded() const {
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    return std::max<int64_t>(1,
                             kBlockNumbers / std::max<int64_t>(1, positions_of_one() * (d + p) * by_.groups));
  }

  // Of a kernel.
  int64_t places() const { return c10::multiply_integers(weight_.sizes().slice(2)); }

  // Of one sample, at each of which a product is taken.
  int64_t positions_of_one() const {
    return images_ * c10::multiply_integers((by_.transposed ? x_ : g_).sizes().slice(2));
  }

  // The direct way for floats: products in the cache, kept where that takes little memory beside what they
  // are made of.
  bool by_tiles() const {
    const int64_t p = weight_.size(0) / by_.groups, d = weight_.numel() / weight_.size(0);
    return has_kernels() && outer::is_direct(norm_way(), has_kernels(), positions_of_one(), p, d);
  }

  SquaredNorms norms_by_tiles() {
    const at::Tensor rows = by_.transposed ? x_ : g_, columns = by_.transposed ? g_ : x_;
    const at::IntArrayRef positions = rows.sizes().slice(2);
    const UnfoldedColumns left(columns, samples_, by_.groups, weight_.sizes().slice(2), by_.stride,
                               by_.padding, by_.dilation, positions);
    // [samples * groups, positions, channels of a group]
    const int64_t p = weight_.size(0) / by_.groups, t = c10::multiply_integers(positions);
    const at::Tensor channels = rows.view({samples_, images_, by_.groups, p, t}).permute({0, 2, 1, 4, 3});
    const at::Tensor right = images_ == 1 ? channels.select(2, 0).flatten(0, 1)
                                          : channels.reshape({samples_ * by_.groups, images_ * t, p});
    if (keeps_tiles()) matrices_ = at::empty({samples_ * by_.groups, p, left.columns()}, g_.options());
    const ProductNorms norms = product_norms(left, right, matrices_);
    const auto by_sample = [&](const at::Tensor& x) { return x.view({samples_, by_.groups}).sum(1); };
    SquaredNorms result{by_sample(norms.squared), {}};
    // A number of what is unfolded enters at most one product for each place in a kernel. The error of a norm
    // over groups is at most that of all together.
    const auto in_kernel = static_cast<double>(places());
    result.error = (by_sample(norms.left) * by_sample(norms.right) * in_kernel).sqrt() *
                   outer::product_error(at::kFloat, positions_of_one());
    result.error += outer::underflow_error(at::kFloat, positions_of_one(), weight_.numel());
    return result;
  }

  at::Tensor weighted(const WeightedRows& rows) const {
    if (matrices_.defined()) return rows.sum(matrices_.view({samples_, weight_.numel()}));
    const bool scale_x = x_.numel() < g_.numel();  // the smaller one is multiplied by the weights
    const at::Tensor g = scale_x ? rows.take(by_sample(g_)) : rows.take_scaled(by_sample(g_));
    const at::Tensor x = scale_x ? rows.take_scaled(by_sample(x_)) : rows.take(by_sample(x_));
    return sum_of_all(g.flatten(0, 1), x.flatten(0, 1));
  }

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
