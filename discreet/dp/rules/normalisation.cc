// The gain and shift of layer, group and batch normalisation: out = gain * xhat + shift, with
// xhat = (x - mean) * rstd taken from what the operation saved. Per sample the gradient of the gain is the
// sum over positions of g * xhat, that of the shift the sum of g. Batch normalisation keeps samples apart
// with its running statistics only (eval mode), or where each channel is one sample's own: so are the
// instances of instance normalisation, whose gain and shift are repeated parameters (affine.cc).
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

constexpr uint32_t kGainSlot = 1;

std::string refuse_layer_norm(Node& node, uint32_t input, const Layout& layout) {
  const auto& norm = dynamic_cast<saved::NativeLayerNormBackward0&>(node);
  if (input == 0) return "it stands where the rows of the batch are expected";
  return layout.leads(output_shape(node), static_cast<int64_t>(integers(norm.normalized_shape).size()))
             ? ""
             : "the batch is in a dimension that is normalised";
}

std::unique_ptr<Gradients> layer_norm(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  auto& norm = dynamic_cast<saved::NativeLayerNormBackward0&>(node);
  const Shape shape = integers(norm.normalized_shape), out = g.sizes().vec();
  const auto trailing = static_cast<int64_t>(shape.size());
  const int64_t width = c10::multiply_integers(shape);
  const auto positions = [&](const at::Tensor& x) {  // [samples, positions, width]
    return layout.samples_first(x, trailing, out, trailing).reshape({layout.samples(), -1, width});
  };
  if (input != kGainSlot) return std::make_unique<RowGradients>(middle_sums(positions(g)), shape);
  // One for each position; as the others in all dimensions before the normalised ones.
  const auto of_position = [&](const torch::autograd::SavedVariable& saved) {
    const Shape before(out.begin(), out.end() - trailing);
    return layout.samples_first(unpack(saved, node).reshape(before), 0, out, trailing);
  };
  const at::Tensor x = at_least_float(unpack(norm.input_, node)).reshape(out);
  return std::make_unique<RowGradients>(
      normalised_middle_sums(positions(x), of_position(norm.result1_), of_position(norm.result2_),
                             positions(at_least_float(g))),
      shape);
}

std::string refuse_group_norm(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return "it stands where the rows of the batch are expected";
  const Shape out = output_shape(node);
  return layout.leads(out, static_cast<int64_t>(out.size()) - 1) ? ""
                                                                 : "the batch is not its first dimension";
}

// The sum of g * xhat over a channel's positions is rstd * (sum of g x - mean * sum of g).
std::unique_ptr<Gradients> group_norm(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  auto& norm = dynamic_cast<saved::NativeGroupNormBackward0&>(node);
  const int64_t channels = integer(norm.C), images = g.size(0);
  const at::Tensor rows = at_least_float(g).reshape({images * channels, -1});
  at::Tensor sums;
  if (input == kGainSlot) {
    const auto by_channel = [&](const torch::autograd::SavedVariable& of_groups) {
      return unpack(of_groups, node)
          .view({images, -1, 1})
          .to(at::kDouble)
          .expand({-1, -1, channels / norm.group})
          .reshape({images, channels});
    };
    const RowSums both =
        row_sums_and_dots(rows, at_least_float(unpack(norm.input_, node)).reshape(rows.sizes()));
    sums = (both.dots.view({images, channels}) -
            both.sums.view({images, channels}) * by_channel(norm.result1_)) *
           by_channel(norm.result2_);
  } else {
    sums = row_sums(rows).view({images, channels});
  }
  return std::make_unique<RowGradients>(
      middle_sums(layout.samples_first(sums, 1, g.sizes().vec(), g.dim() - 1)), Shape{channels});
}

constexpr int64_t kChannelDimension = 1;

Shape of_channels(const Shape& out) {
  Shape shape(out.size(), 1);
  shape[kChannelDimension] = out[kChannelDimension];
  return shape;
}

std::string refuse_batch_norm(Node& node, uint32_t input, const Layout& layout) {
  if (input == 0) return "it stands where the rows of the batch are expected";
  const Shape out = output_shape(node);
  if (std::string reason = broadcast_refusal(out, layout, of_channels(out)); !reason.empty()) return reason;
  if (dynamic_cast<saved::NativeBatchNormBackward0&>(node).training && layout.samples() > 1 &&
      !layout.sole_owner())
    return "in training mode it mixes the samples of the batch: use group normalisation";
  return "";
}

std::unique_ptr<Gradients> batch_norm(Node& node, uint32_t input, const at::Tensor& g, const Layout& layout) {
  auto& norm = dynamic_cast<saved::NativeBatchNormBackward0&>(node);
  const Shape shape = of_channels(g.sizes().vec()), own{shape[kChannelDimension]};
  if (input != kGainSlot) return std::make_unique<RowGradients>(summed_to(g, layout, shape), own);
  const auto saved_double = [&](const torch::autograd::SavedVariable& variable) {
    return unpack(variable, node).to(at::kDouble).view(shape);
  };
  const at::Tensor mean = saved_double(norm.training ? norm.result1_ : norm.running_mean_);
  const at::Tensor rstd =
      norm.training ? saved_double(norm.result2_) : (saved_double(norm.running_var_) + norm.eps).rsqrt();
  const at::Tensor part = (unpack(norm.input_, node) - mean).mul_(rstd).mul_(g);
  return std::make_unique<RowGradients>(summed_to(part, layout, shape), own);
}

}  // namespace

namespace rules {
extern const Rule kLayerNorm, kGroupNorm, kBatchNorm;
const Rule kLayerNorm{"layer norm", "NativeLayerNormBackward0", refuse_layer_norm, layer_norm};
const Rule kGroupNorm{"group norm", "NativeGroupNormBackward0", refuse_group_norm, group_norm};
const Rule kBatchNorm{"batch norm", "NativeBatchNormBackward0", refuse_batch_norm, batch_norm};
}  // namespace rules
}  // namespace discreet
