// tanh, relu, pooling, flatten: layers without parameters.
#include "discreet/model/layers/layer.h"

namespace discreet {
namespace {

struct Window {
  std::vector<int64_t> kernel, stride;
  Shape out;
};

Window read_window(Fields& fields, const Shape& in) {
  Window window{fields.pair("kernel", 1, 512), {}, {}};
  if (in.size() != 3) fields.fail("", "pooling needs [channels, height, width], has " + to_string(in));
  window.stride = fields.any("stride", false).is_null() ? window.kernel : fields.pair("stride", 1, 512);
  window.out = {in[0]};
  for (size_t i = 0; i < 2; ++i) {
    if (window.kernel[i] > in[i + 1]) fields.fail("kernel", "is larger than its input " + to_string(in));
    window.out.push_back((in[i + 1] - window.kernel[i]) / window.stride[i] + 1);
  }
  return window;
}

}  // namespace

// Tempered: scale * tanh(slope * x); Papernot et al. 2021, "Tempered sigmoid activations for deep learning
// with differential privacy".
Layer read_tanh(Fields& fields, const Shape& in) {
  const double scale = fields.number("scale", 1e-3, 1e3, 1.0), slope = fields.number("slope", 1e-3, 1e3, 1.0);
  return {in, 0, [=] {
            return torch::nn::AnyModule(torch::nn::Functional(
                [=](const torch::Tensor& x) { return scale * torch::tanh(slope * x); }));
          }};
}

Layer read_relu(Fields&, const Shape& in) {
  return {in, 0, [] { return torch::nn::AnyModule(torch::nn::ReLU()); }};
}

Layer read_max_pool2d(Fields& fields, const Shape& in) {
  const Window window = read_window(fields, in);
  return {window.out, 0, [=] {
            return torch::nn::AnyModule(torch::nn::MaxPool2d(
                torch::nn::MaxPool2dOptions({window.kernel[0], window.kernel[1]})
                    .stride(torch::ExpandingArray<2>({window.stride[0], window.stride[1]}))));
          }};
}

Layer read_avg_pool2d(Fields& fields, const Shape& in) {
  const Window window = read_window(fields, in);
  return {window.out, 0, [=] {
            return torch::nn::AnyModule(torch::nn::AvgPool2d(
                torch::nn::AvgPool2dOptions({window.kernel[0], window.kernel[1]})
                    .stride(torch::ExpandingArray<2>({window.stride[0], window.stride[1]}))));
          }};
}

Layer read_flatten(Fields&, const Shape& in) {
  return {{elements(in)}, 0, [] { return torch::nn::AnyModule(torch::nn::Flatten()); }};
}

}  // namespace discreet
