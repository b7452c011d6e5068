#include "discreet/dp/operations.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "discreet/dp/carriers/carriers.h"

namespace discreet {
namespace {

using namespace libtorch;
using namespace carriers;

using Carry = Carried (*)(const Way&);

const std::unordered_map<std::string, Carry>& operations() {
  static const std::unordered_map<std::string, Carry> list = {
      // activations and arithmetic
      {"AbsBackward0", elementwise},
      {"AcosBackward0", elementwise},
      {"AcoshBackward0", elementwise},
      {"AddBackward0", elementwise},
      {"AddBackward1", elementwise},
      {"AddcdivBackward0", elementwise},
      {"AddcmulBackward0", elementwise},
      {"AsinBackward0", elementwise},
      {"AsinhBackward0", elementwise},
      {"Atan2Backward0", elementwise},
      {"AtanBackward0", elementwise},
      {"AtanhBackward0", elementwise},
      {"CeluBackward0", elementwise},
      {"ClampBackward0", elementwise},
      {"ClampBackward1", elementwise},
      {"ClampMaxBackward0", elementwise},
      {"ClampMinBackward0", elementwise},
      {"CloneBackward0", elementwise},
      {"CosBackward0", elementwise},
      {"CoshBackward0", elementwise},
      {"DivBackward0", elementwise},
      {"DivBackward1", elementwise},
      {"EluBackward0", elementwise},
      {"ErfBackward0", elementwise},
      {"ErfcBackward0", elementwise},
      {"Exp2Backward0", elementwise},
      {"ExpBackward0", elementwise},
      {"Expm1Backward0", elementwise},
      {"GeluBackward0", elementwise},
      {"HardshrinkBackward0", elementwise},
      {"HardsigmoidBackward0", elementwise},
      {"HardswishBackward0", elementwise},
      {"HardtanhBackward0", elementwise},
      {"LeakyReluBackward0", elementwise},
      {"LerpBackward0", elementwise},
      {"LerpBackward1", elementwise},
      {"Log10Backward0", elementwise},
      {"Log2Backward0", elementwise},
      {"LogBackward0", elementwise},
      {"Log1PBackward0", elementwise},
      {"LogSigmoidBackward0", elementwise},
      {"LogaddexpBackward0", elementwise},
      {"LogitBackward0", elementwise},
      {"MaskedFillBackward0", elementwise},
      {"MaximumBackward0", elementwise},
      {"MinimumBackward0", elementwise},
      {"MishBackward0", elementwise},
      {"MulBackward0", elementwise},
      {"MulBackward1", elementwise},
      {"NativeDropoutBackward0", elementwise},
      {"NegBackward0", elementwise},
      {"PowBackward0", elementwise},
      {"PowBackward1", elementwise},
      {"ReciprocalBackward0", elementwise},
      {"ReluBackward0", elementwise},
      {"RreluWithNoiseBackward0", elementwise},
      {"RsqrtBackward0", elementwise},
      {"RsubBackward0", elementwise},
      {"RsubBackward1", elementwise},
      {"SigmoidBackward0", elementwise},
      {"SiluBackward0", elementwise},
      {"SinBackward0", elementwise},
      {"SinhBackward0", elementwise},
      {"SoftplusBackward0", elementwise},
      {"SoftshrinkBackward0", elementwise},
      {"SqrtBackward0", elementwise},
      {"SubBackward0", elementwise},
      {"SubBackward1", elementwise},
      {"TanBackward0", elementwise},
      {"TanhBackward0", elementwise},
      {"ThresholdBackward0", elementwise},
      {"ToCopyBackward0", elementwise},
      {"TrilBackward0", elementwise},
      {"TriuBackward0", elementwise},
      {"WhereBackward0", elementwise},
      // the same numbers in the same order
      {"AliasBackward0", reshaping},
      {"ReshapeAliasBackward0", reshaping},
      {"SqueezeBackward0", reshaping},
      {"SqueezeBackward1", reshaping},
      {"SqueezeBackward2", reshaping},
      {"SqueezeBackward3", reshaping},
      {"UnsafeViewBackward0", reshaping},
      {"UnsqueezeBackward0", reshaping},
      {"ViewBackward0", reshaping},
      // in another order
      {"PermuteBackward0", permuting},
      {"TBackward0", transposing_matrix},
      {"TransposeBackward0", transposing<saved::TransposeBackward0>},
      {"TransposeBackward1", transposing<saved::TransposeBackward1>},
      {"FlipBackward0", flipping},
      {"RollBackward0", rolling},
      // along one dimension or several
      {"AmaxBackward0", along_dim<saved::AmaxBackward0>},
      {"AminBackward0", along_dim<saved::AminBackward0>},
      {"CumprodBackward0", along_dim<saved::CumprodBackward0>},
      {"CumsumBackward0", along_dim<saved::CumsumBackward0>},
      {"GluBackward0", along_dim<saved::GluBackward0>},
      {"LinalgVectorNormBackward0", along_dim<saved::LinalgVectorNormBackward0>},
      {"LogcumsumexpBackward0", along_dim<saved::LogcumsumexpBackward0>},
      {"LogSoftmaxBackward0", along_dim<saved::LogSoftmaxBackward0>},
      {"LogsumexpBackward0", along_dim<saved::LogsumexpBackward0>},
      {"MaxBackward0", along_dim<saved::MaxBackward0>},
      {"MeanBackward1", along_dim<saved::MeanBackward1>},
      {"MedianBackward1", along_dim<saved::MedianBackward1>},
      {"MinBackward0", along_dim<saved::MinBackward0>},
      {"NormBackward1", along_dim<saved::NormBackward1>},
      {"ProdBackward1", along_dim<saved::ProdBackward1>},
      {"SafeSoftmaxBackward0", along_dim<SafeSoftmaxNode>},
      {"SoftmaxBackward0", along_dim<saved::SoftmaxBackward0>},
      {"SortBackward0", along_dim<saved::SortBackward0>},
      {"StdBackward0", along_dim<saved::StdBackward0>},
      {"SumBackward1", along_dim<saved::SumBackward1>},
      {"TopkBackward0", along_dim<saved::TopkBackward0>},
      {"VarBackward0", along_dim<saved::VarBackward0>},
      {"VarMeanBackward0", along_dim<saved::VarMeanBackward0>},
      {"GatherBackward0", along_dim<saved::GatherBackward0>},
      {"UnfoldBackward0", unfolding},
      // over everything: only where everything is one sample's
      {"MeanBackward0", [](const Way&) { return refuse(kMixes); }},
      {"SumBackward0", [](const Way&) { return refuse(kMixes); }},
      // parts and their joining
      {"CatBackward0", concatenating},
      {"ConstantPadNdBackward0", padding},
      {"IndexBackward0", indexing},
      {"IndexSelectBackward0", index_selecting},
      {"PackPaddedSequenceBackward0", packing},
      {"RepeatBackward0", repeating},
      {"SelectBackward0", selecting},
      {"SliceBackward0", slicing},
      {"SplitBackward0", splitting<saved::SplitBackward0>},
      {"SplitWithSizesBackward0", splitting_with_sizes<saved::SplitWithSizesBackward0>},
      {"StackBackward0", stacking},
      {"UnbindBackward0", unbinding},
      {"UnsafeSplitBackward0", splitting<saved::UnsafeSplitBackward0>},
      {"UnsafeSplitWithSizesBackward0", splitting_with_sizes<saved::UnsafeSplitWithSizesBackward0>},
      {"ExpandBackward0", elementwise},
      {"torch::autograd::CopyBackwards", elementwise},
      {"torch::autograd::CopySlices", writing_part},
      // pooling, resizing, padding of images
      {"AdaptiveAvgPool2DBackward0", within_last<2>},
      {"AdaptiveAvgPool3DBackward0", within_last<3>},
      {"AdaptiveMaxPool2DBackward0", within_last<2>},
      {"AdaptiveMaxPool3DBackward0", within_last<3>},
      {"AvgPool2DBackward0", within_last<2>},
      {"AvgPool3DBackward0", within_last<3>},
      {"Col2ImBackward0", within_last<2>},
      {"Im2ColBackward0", within_last<3>},
      {"MaxPool2DWithIndicesBackward0", within_last<2>},
      {"MaxPool3DWithIndicesBackward0", within_last<3>},
      {"PixelShuffleBackward0", within_last<3>},
      {"PixelUnshuffleBackward0", within_last<3>},
      {"ReflectionPad1DBackward0", within_last<1>},
      {"ReflectionPad2DBackward0", within_last<2>},
      {"ReflectionPad3DBackward0", within_last<3>},
      {"ReplicationPad1DBackward0", within_last<1>},
      {"ReplicationPad2DBackward0", within_last<2>},
      {"ReplicationPad3DBackward0", within_last<3>},
      {"UpsampleBicubic2DBackward0", within_last<2>},
      {"UpsampleBilinear2DBackward0", within_last<2>},
      {"UpsampleLinear1DBackward0", within_last<1>},
      {"UpsampleNearest1DBackward0", within_last<1>},
      {"UpsampleNearest2DBackward0", within_last<2>},
      {"UpsampleNearest3DBackward0", within_last<3>},
      {"UpsampleNearestExact1DBackward0", within_last<1>},
      {"UpsampleNearestExact2DBackward0", within_last<2>},
      {"UpsampleNearestExact3DBackward0", within_last<3>},
      {"UpsampleTrilinear3DBackward0", within_last<3>},
      // layers
      {"AddbmmBackward0", added_up_matrices},
      {"AddmmBackward0", added_matrix},
      {"AddmvBackward0", added_vector},
      {"BaddbmmBackward0", added_matrices},
      {"BmmBackward0", matrices},
      {"ConvolutionBackward0", convolving},
      {"DotBackward0", [](const Way&) { return refuse(kMixes); }},
      {"MkldnnRnnLayerBackward0", recurring},
      {"MmBackward0", matrix},
      {"MvBackward0", vector},
      {"NativeBatchNormBackward0", batch_normalising},
      {"NativeGroupNormBackward0", group_normalising},
      {"NativeLayerNormBackward0", layer_normalising},
      {"PreluBackward0", elementwise},
      {"PreluKernelBackward0", elementwise},
      {"ScaledDotProductCudnnAttentionBackward0", attending},
      {"ScaledDotProductEfficientAttentionBackward0", attending},
      {"ScaledDotProductFlashAttentionBackward0", attending},
      {"ScaledDotProductFlashAttentionForCpuBackward0", attending},
      {"TrilinearBackward0", bilinear},
  };
  return list;
}

}  // namespace

Carried carry(Node& node, uint32_t input, uint32_t output, const Layout& layout) {
  const auto found = operations().find(node.name());
  if (found == operations().end())
    return {{}, "is not on the list of operations that are known to keep samples apart", false};
  const Way way{node, input, output, layout, input_shape(node.next_edge(input)), output_shape(node, output)};
  if (layout.samples() == 1) return {layout.whole(way.in, 0), ""};
  if (std::find(way.in.begin(), way.in.end(), 0) != way.in.end()) return refuse("takes an empty tensor");
  Carried result = found->second(way);
  if (!result.layout)
    if (const auto owner = layout.sole_owner()) return {layout.whole(way.in, *owner), ""};
  return result;
}

bool is_bilinear(const saved::TrilinearBackward0& node) {
  const auto& [a, w, b, summed] = std::tie(node.expand1, node.expand2, node.expand3, node.sumdim);
  return a == Shape{1, 3} && w == Shape{0} && b == Shape{1, 2} && summed == Shape{2, 3};
}

bool is_function_of_its_tensors(Node& node) {
  static const std::unordered_set<std::string> list = {"AddBackward0",
                                                       "AddBackward1",
                                                       "AliasBackward0",
                                                       "CatBackward0",
                                                       "CloneBackward0",
                                                       "DivBackward0",
                                                       "DivBackward1",
                                                       "ExpBackward0",
                                                       "ExpandBackward0",
                                                       "LinalgVectorNormBackward0",
                                                       "LogBackward0",
                                                       "MmBackward0",
                                                       "MulBackward0",
                                                       "MulBackward1",
                                                       "NegBackward0",
                                                       "NormBackward0",
                                                       "NormBackward1",
                                                       "PermuteBackward0",
                                                       "PowBackward0",
                                                       "ReciprocalBackward0",
                                                       "RepeatBackward0",
                                                       "ReshapeAliasBackward0",
                                                       "RsqrtBackward0",
                                                       "RsubBackward1",
                                                       "SelectBackward0",
                                                       "SigmoidBackward0",
                                                       "SliceBackward0",
                                                       "SoftmaxBackward0",
                                                       "SoftplusBackward0",
                                                       "SplitBackward0",
                                                       "SplitWithSizesBackward0",
                                                       "SqrtBackward0",
                                                       "SqueezeBackward0",
                                                       "SqueezeBackward1",
                                                       "StackBackward0",
                                                       "SubBackward0",
                                                       "SubBackward1",
                                                       "SumBackward0",
                                                       "SumBackward1",
                                                       "TBackward0",
                                                       "TanhBackward0",
                                                       "ToCopyBackward0",
                                                       "TransposeBackward0",
                                                       "UnbindBackward0",
                                                       "UnsafeSplitBackward0",
                                                       "UnsafeViewBackward0",
                                                       "UnsqueezeBackward0",
                                                       "ViewBackward0",
                                                       "WeightNormInterfaceBackward0"};
  if (list.count(node.name()) == 0) return false;
  for (const Edge& edge : node.next_edges())
    if (!edge.is_valid()) return false;
  return node.num_outputs() > 0;
}

bool moves_whole_tensor(Node& node) {
  static const std::unordered_set<std::string> list = {
      "AliasBackward0",        "CloneBackward0",     "ExpandBackward0",     "PermuteBackward0",
      "ReshapeAliasBackward0", "SqueezeBackward0",   "SqueezeBackward1",    "TBackward0",
      "ToCopyBackward0",       "TransposeBackward0", "UnsafeViewBackward0", "UnsqueezeBackward0",
      "ViewBackward0"};
  if (node.name() == "SliceBackward0") return output_shape(node) == input_shape(node.next_edge(0));
  return list.count(node.name()) > 0;
}

}  // namespace discreet
