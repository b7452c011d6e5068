#include "discreet/dp/operations.h"

#include <algorithm>

namespace discreet {
namespace {

using namespace libtorch;

constexpr const char* kMixes = "mixes the samples of the batch";

int64_t positive(int64_t dimension, size_t dimensions) {
  return dimension < 0 ? dimension + static_cast<int64_t>(dimensions) : dimension;
}

// Same position in, same position out. A broadcast over the batch is refused.
std::string elementwise(Node& node, uint32_t input, int64_t) {
  const Shape in = input_shape(node.next_edge(input)), out = output_shape(node);
  return in.size() == out.size() && in[0] == out[0] ? "" : "broadcasts one tensor over the batch";
}

// Row-major order stays: the n-th parts stay, whatever the shapes.
std::string reshaping(Node&, uint32_t, int64_t) {
  return "";
}

// Works within each index of the first dimension: pooling, padding, products of batches of matrices.
std::string within_first(Node& node, uint32_t input, int64_t) {
  const Shape in = input_shape(node.next_edge(input)), out = output_shape(node);
  return in.size() == out.size() && in[0] == out[0] ? "" : kMixes;
}

// Works along one dimension or several, which must not be the first.
std::string along(const Shape& dimensions, const Shape& in) {
  if (dimensions.empty()) return kMixes;
  for (int64_t dimension : dimensions)
    if (positive(dimension, in.size()) == 0) return kMixes;
  return "";
}

template <typename Saved>
std::string along_dim(Node& node, uint32_t input, int64_t) {
  auto* saved_node = dynamic_cast<Saved*>(&node);
  if (saved_node == nullptr) return "is not the operation that its name says";
  const Shape in = input_shape(node.next_edge(input));
  if constexpr (std::is_convertible_v<decltype(saved_node->dim), int64_t>) {
    return along({saved_node->dim}, in);
  } else {
    return along(integers(saved_node->dim), in);
  }
}

// stack's dimension counts in the output.
std::string stacking(Node& node, uint32_t, int64_t) {
  return along({dynamic_cast<saved::StackBackward0&>(node).dim}, output_shape(node));
}

std::string transposing(Node& node, uint32_t input, int64_t) {
  auto& transpose = dynamic_cast<saved::TransposeBackward0&>(node);
  const Shape in = input_shape(node.next_edge(input));
  const bool same = positive(transpose.dim0, in.size()) == positive(transpose.dim1, in.size());
  return same ? "" : along({transpose.dim0, transpose.dim1}, in);
}

std::string permuting(Node& node, uint32_t, int64_t) {
  const Shape dims = dynamic_cast<saved::PermuteBackward0&>(node).dims;
  return positive(dims.at(0), dims.size()) == 0 ? "" : kMixes;
}

std::string padding(Node& node, uint32_t input, int64_t samples) {
  const Shape pad = integers(dynamic_cast<saved::ConstantPadNdBackward0&>(node).pad);
  const Shape in = input_shape(node.next_edge(input));
  return pad.size() < 2 * in.size() ? within_first(node, input, samples) : kMixes;
}

std::string pooling(Node& node, uint32_t input, int64_t samples) {
  const Shape in = input_shape(node.next_edge(input));
  return in.size() == 4 ? within_first(node, input, samples) : "takes one image, not a batch of images";
}

std::string rows_of_matrix(Node& node, uint32_t input, int64_t) {
  const uint32_t rows = node.name() == "AddmmBackward0" ? 1 : 0;
  const Shape in = input_shape(node.next_edge(input)), out = output_shape(node);
  if (input == rows) return in[0] == out[0] ? "" : kMixes;
  return "multiplies by a matrix that depends on the batch";
}

std::string convolving(Node& node, uint32_t input, int64_t samples) {
  if (input != 0) return "convolves with a kernel that depends on the batch";
  return within_first(node, input, samples);
}

std::string layer_normalising(Node& node, uint32_t input, int64_t) {
  const Shape normalised = integers(dynamic_cast<saved::NativeLayerNormBackward0&>(node).normalized_shape);
  if (input != 0) return "normalises with a gain that depends on the batch";
  return normalised.size() < input_shape(node.next_edge(0)).size() ? "" : kMixes;
}

std::string group_normalising(Node&, uint32_t input, int64_t) {
  return input == 0 ? "" : "normalises with a gain that depends on the batch";
}

std::string batch_normalising(Node& node, uint32_t input, int64_t) {
  if (input != 0) return "normalises with a gain that depends on the batch";
  if (dynamic_cast<saved::NativeBatchNormBackward0&>(node).training)
    return "mixes the samples of the batch (batch normalisation in training mode: use group normalisation)";
  return "";
}

struct Operation {
  const char* name;
  std::string (*reason)(Node& node, uint32_t input, int64_t samples);
};

const Operation kOperations[] = {
    // activations and arithmetic
    {"AbsBackward0", elementwise},
    {"AddBackward0", elementwise},
    {"AddBackward1", elementwise},
    {"ClampBackward1", elementwise},
    {"ClampMaxBackward0", elementwise},
    {"ClampMinBackward0", elementwise},
    {"CloneBackward0", elementwise},
    {"CosBackward0", elementwise},
    {"DivBackward0", elementwise},
    {"DivBackward1", elementwise},
    {"EluBackward0", elementwise},
    {"ErfBackward0", elementwise},
    {"ExpBackward0", elementwise},
    {"GeluBackward0", elementwise},
    {"HardsigmoidBackward0", elementwise},
    {"HardswishBackward0", elementwise},
    {"HardtanhBackward0", elementwise},
    {"LeakyReluBackward0", elementwise},
    {"LogBackward0", elementwise},
    {"LogSigmoidBackward0", elementwise},
    {"MaskedFillBackward0", elementwise},
    {"MishBackward0", elementwise},
    {"MulBackward0", elementwise},
    {"MulBackward1", elementwise},
    {"NativeDropoutBackward0", elementwise},
    {"NegBackward0", elementwise},
    {"PowBackward0", elementwise},
    {"ReciprocalBackward0", elementwise},
    {"ReluBackward0", elementwise},
    {"RsqrtBackward0", elementwise},
    {"RsubBackward1", elementwise},
    {"SigmoidBackward0", elementwise},
    {"SiluBackward0", elementwise},
    {"SinBackward0", elementwise},
    {"SoftplusBackward0", elementwise},
    {"SoftshrinkBackward0", elementwise},
    {"SqrtBackward0", elementwise},
    {"SubBackward0", elementwise},
    {"SubBackward1", elementwise},
    {"TanhBackward0", elementwise},
    {"ThresholdBackward0", elementwise},
    {"ToCopyBackward0", elementwise},
    {"WhereBackward0", elementwise},
    // the same numbers in the same order
    {"AliasBackward0", reshaping},
    {"ReshapeAliasBackward0", reshaping},
    {"SqueezeBackward0", reshaping},
    {"SqueezeBackward1", reshaping},
    {"SqueezeBackward2", reshaping},
    {"UnsafeViewBackward0", reshaping},
    {"UnsqueezeBackward0", reshaping},
    {"ViewBackward0", reshaping},
    // along dimensions other than the batch
    {"AmaxBackward0", along_dim<saved::AmaxBackward0>},
    {"CatBackward0", along_dim<saved::CatBackward0>},
    {"LogSoftmaxBackward0", along_dim<saved::LogSoftmaxBackward0>},
    {"LogsumexpBackward0", along_dim<saved::LogsumexpBackward0>},
    {"MaxBackward0", along_dim<saved::MaxBackward0>},
    {"MeanBackward1", along_dim<saved::MeanBackward1>},
    {"MinBackward0", along_dim<saved::MinBackward0>},
    {"SelectBackward0", along_dim<saved::SelectBackward0>},
    {"SliceBackward0", along_dim<saved::SliceBackward0>},
    {"SoftmaxBackward0", along_dim<saved::SoftmaxBackward0>},
    {"SplitBackward0", along_dim<saved::SplitBackward0>},
    {"SplitWithSizesBackward0", along_dim<saved::SplitWithSizesBackward0>},
    {"StackBackward0", stacking},
    {"SumBackward1", along_dim<saved::SumBackward1>},
    {"UnbindBackward0", along_dim<saved::UnbindBackward0>},
    {"PermuteBackward0", permuting},
    {"TransposeBackward0", transposing},
    // within each sample
    {"AdaptiveAvgPool2DBackward0", pooling},
    {"AvgPool2DBackward0", pooling},
    {"BmmBackward0", within_first},
    {"ConstantPadNdBackward0", padding},
    {"ExpandBackward0", within_first},
    {"MaxPool2DWithIndicesBackward0", pooling},
    {"UpsampleBilinear2DBackward0", pooling},
    {"UpsampleNearest2DBackward0", pooling},
    // layers
    {"AddmmBackward0", rows_of_matrix},
    {"ConvolutionBackward0", convolving},
    {"MmBackward0", rows_of_matrix},
    {"NativeBatchNormBackward0", batch_normalising},
    {"NativeGroupNormBackward0", group_normalising},
    {"NativeLayerNormBackward0", layer_normalising},
};

}  // namespace

std::string mixing_reason(Node& node, uint32_t input, int64_t samples) {
  const Shape in = input_shape(node.next_edge(input));
  if (in.empty() || in[0] % samples != 0)
    return "takes a tensor from '" + node.next_edge(input).function->name() +
           "' whose first dimension is not the batch";
  const std::string name = node.name();
  const auto* end = std::end(kOperations);
  const auto* found =
      std::find_if(std::begin(kOperations), end, [&](const Operation& known) { return name == known.name; });
  if (found == end) return "is not on the list of operations that are known to keep samples apart";
  return found->reason(node, input, samples);
}

}  // namespace discreet
