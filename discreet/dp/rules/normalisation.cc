// The gain and shift of layer normalisation and group normalisation: out = gain * xhat + shift, with
// xhat = (x - mean) * rstd taken from what the operation saved. Per sample the gradient of the gain is the
// sum over positions of g * xhat, that of the shift the sum of g.
#include "discreet/dp/rules/parts.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

constexpr uint32_t kGainSlot = 1;

// Both gradients are small: one row per sample is kept.
class NormalisationTerm : public Term {
 public:
  NormalisationTerm(at::Tensor gain_rows, at::Tensor shift_rows, Shape shape)
      : gain_(std::move(gain_rows)), shift_(std::move(shift_rows)), shape_(std::move(shape)) {}

  SquaredNorms squared_norms(uint32_t input) override { return rows(input).squared_norms(); }
  void add_weighted(uint32_t input, const at::Tensor& weights, int64_t begin, int64_t end,
                    at::Tensor sum) override {
    rows(input).add_weighted(weights, begin, end, sum);
  }
  at::Tensor gradient(uint32_t input, int64_t begin, int64_t end) override {
    return rows(input).gradient(begin, end, shape_);
  }

 private:
  const KeptRows& rows(uint32_t input) const { return input == kGainSlot ? gain_ : shift_; }
  KeptRows gain_, shift_;
  Shape shape_;
};

std::string refuse(Node&, uint32_t input, int64_t) {
  return input == 0 ? "it stands where the rows of the batch are expected" : "";
}

std::unique_ptr<Term> bind_layer_norm(Node& node, const at::Tensor& g, int64_t samples) {
  auto& norm = dynamic_cast<saved::NativeLayerNormBackward0&>(node);
  const Shape shape = integers(norm.normalized_shape);
  const int64_t width = c10::multiply_integers(shape);
  const int64_t positions = g.numel() / width / samples;
  const Shape by_position{samples, positions, width};
  at::Tensor gain;
  if (node.should_compute_output(kGainSlot)) {
    const at::Tensor mean = unpack(norm.result1_, node).reshape({samples, positions, 1});
    const at::Tensor rstd = unpack(norm.result2_, node).reshape({samples, positions, 1});
    const at::Tensor x = unpack(norm.input_, node).reshape(by_position);
    gain = middle_sums((x - mean).mul_(rstd).mul_(g.reshape(by_position)));
  }
  return std::make_unique<NormalisationTerm>(gain, middle_sums(g.reshape(by_position)), shape);
}

std::unique_ptr<Term> bind_group_norm(Node& node, const at::Tensor& g, int64_t samples) {
  auto& norm = dynamic_cast<saved::NativeGroupNormBackward0&>(node);
  const int64_t channels = integer(norm.C), images = g.size(0), groups = norm.group;
  const Shape by_group{images, groups, -1};
  const auto per_channel = [&](const at::Tensor& x) {
    return row_sums(x.reshape({images * channels, -1})).view({samples, images / samples, channels}).sum(1);
  };
  at::Tensor gain;
  if (node.should_compute_output(kGainSlot)) {
    const at::Tensor mean = unpack(norm.result1_, node).view({images, groups, 1});
    const at::Tensor rstd = unpack(norm.result2_, node).view({images, groups, 1});
    const at::Tensor x = unpack(norm.input_, node).reshape(by_group);
    gain = per_channel((x - mean).mul_(rstd).mul_(g.reshape(by_group)));
  }
  return std::make_unique<NormalisationTerm>(gain, per_channel(g), Shape{channels});
}

}  // namespace

namespace rules {
extern const Rule kLayerNorm, kGroupNorm;
const Rule kLayerNorm{"layer norm", "NativeLayerNormBackward0", refuse, bind_layer_norm};
const Rule kGroupNorm{"group norm", "NativeGroupNormBackward0", refuse, bind_group_norm};
}  // namespace rules
}  // namespace discreet
