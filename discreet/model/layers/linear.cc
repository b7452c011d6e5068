// linear and conv2d: the layers with a weight that multiplies.
#include "discreet/model/layers/layer.h"

namespace discreet {
namespace {

constexpr int64_t kWidest = 1 << 20;

// "uniform" is libtorch's own: uniform in +-1 / sqrt(inputs of one output). "zeros" is for a last layer,
// where it starts from the same answer for every class.
bool starts_at_zero(Fields& fields) {
  return fields.word("init", {"uniform", "zeros"}, "uniform") == "zeros";
}

template <typename Module>
torch::nn::AnyModule initialised(Module module, bool zeros) {
  if (zeros) {
    torch::NoGradGuard no_grad;
    for (torch::Tensor& parameter : module->parameters()) parameter.zero_();
  }
  return torch::nn::AnyModule(module);
}

}  // namespace

Layer read_linear(Fields& fields, const Shape& in) {
  const int64_t outputs = fields.integer("outputs", 1, kWidest);
  const bool bias = fields.boolean("bias", true), zeros = starts_at_zero(fields);
  if (in.size() != 1)
    fields.fail("", "linear needs [features], has " + to_string(in) + "; put a flatten before it");
  const int64_t inputs = in[0];
  return {{outputs}, outputs * (inputs + (bias ? 1 : 0)), [=] {
            return initialised(torch::nn::Linear(torch::nn::LinearOptions(inputs, outputs).bias(bias)),
                               zeros);
          }};
}

Layer read_conv2d(Fields& fields, const Shape& in) {
  const int64_t channels = fields.integer("channels", 1, kWidest);
  const auto kernel = fields.pair("kernel", 1, 64);
  const auto stride = fields.pair("stride", 1, 64, 1);
  const auto padding = fields.pair("padding", 0, 63, 0);
  const bool bias = fields.boolean("bias", true), zeros = starts_at_zero(fields);
  if (in.size() != 3) fields.fail("", "conv2d needs [channels, height, width], has " + to_string(in));
  Shape out = {channels};
  for (size_t i = 0; i < 2; ++i) {
    if (padding[i] >= kernel[i]) fields.fail("padding", "must be smaller than the kernel");
    const int64_t room = in[i + 1] + 2 * padding[i] - kernel[i];
    if (room < 0) {
      fields.fail("kernel", "is larger than its input " + to_string(in) + " with padding " +
                                std::to_string(padding[i]));
    }
    out.push_back(room / stride[i] + 1);
  }
  const int64_t inputs = in[0];
  return {out, channels * (inputs * kernel[0] * kernel[1] + (bias ? 1 : 0)), [=] {
            const auto options = torch::nn::Conv2dOptions(inputs, channels, {kernel[0], kernel[1]})
                                     .stride({stride[0], stride[1]})
                                     .padding(torch::ExpandingArray<2>({padding[0], padding[1]}))
                                     .bias(bias);
            return initialised(torch::nn::Conv2d(options), zeros);
          }};
}

}  // namespace discreet
