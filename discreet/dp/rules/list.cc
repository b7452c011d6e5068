#include "discreet/dp/rules/list.h"

#include <unordered_map>

namespace discreet {

namespace rules {
extern const Rule kLinearWithBias, kLinear, kBatchProduct, kBatchProductWithBias, kMatrixVector,
    kMatrixVectorWithBias, kDot, kBilinear, kConvolution, kLayerNorm, kGroupNorm, kBatchNorm, kEmbedding,
    kFusedLstm, kEmbeddingBag, kPrelu, kAdd, kSubtract, kMultiply, kDivide, kAddProduct, kInterpolate,
    kChoose, kExpand, kRepeat;
}  // namespace rules

const std::vector<Rule>& clip_rules() {
  static const std::vector<Rule> list = {
      rules::kLinearWithBias,        // nn::Linear, any leading dimensions
      rules::kLinear,                // without bias
      rules::kBatchProduct,          // one matrix for each head or group: torch::bmm, einsum
      rules::kBatchProductWithBias,  // torch::baddbmm
      rules::kMatrixVector,          // rows times a vector: torch::mv, matmul
      rules::kMatrixVectorWithBias,  // torch::addmv
      rules::kDot,                   // torch::dot
      rules::kBilinear,              // nn::Bilinear
      rules::kConvolution,           // nn::Conv1d, Conv2d, Conv3d, ConvTranspose1d, 2d, 3d
      rules::kLayerNorm,             // nn::LayerNorm
      rules::kGroupNorm,             // nn::GroupNorm
      rules::kBatchNorm,             // nn::BatchNorm1d, 2d, 3d in eval mode; with kRepeat nn::InstanceNorm
      rules::kEmbedding,             // nn::Embedding
      rules::kEmbeddingBag,          // nn::EmbeddingBag
      rules::kFusedLstm,             // nn::LSTM, where libtorch makes one node of a layer
      rules::kPrelu,                 // nn::PReLU
      rules::kAdd,                   // tensor + parameter
      rules::kSubtract,              // tensor - parameter
      rules::kMultiply,              // tensor * parameter
      rules::kDivide,                // tensor / parameter
      rules::kAddProduct,            // torch::addcmul
      rules::kInterpolate,           // torch::lerp
      rules::kChoose,                // torch::where(mask, tensor, parameter)
      rules::kExpand,                // parameter.expand(...), joined with tensors
      rules::kRepeat,                // parameter.repeat(...)
  };
  return list;
}

const Rule* find_rule(const std::string& operation) {
  static const auto* by_operation = [] {
    auto* map = new std::unordered_map<std::string, const Rule*>;
    for (const Rule& rule : clip_rules()) map->emplace(rule.operation, &rule);
    return map;
  }();
  const auto found = by_operation->find(operation);
  return found == by_operation->end() ? nullptr : found->second;
}

bool takes_broadcast(const Rule& rule) {
  return rule.refusal == rules::kAdd.refusal || rule.refusal == rules::kRepeat.refusal;  // affine.cc
}

}  // namespace discreet
