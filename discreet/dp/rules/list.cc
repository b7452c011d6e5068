#include "discreet/dp/rules/list.h"

#include <unordered_map>

namespace discreet {

namespace rules {
extern const Rule kLinearWithBias, kLinear, kConvolution, kLayerNorm, kGroupNorm, kEmbedding, kFusedLstm,
    kAdd, kSubtract, kMultiply, kDivide, kExpand;
}  // namespace rules

const std::vector<Rule>& clip_rules() {
  static const std::vector<Rule> list = {
      rules::kLinearWithBias,  // nn::Linear, any leading dimensions
      rules::kLinear,          // without bias
      rules::kConvolution,     // nn::Conv1d, Conv2d, Conv3d, ConvTranspose1d, 2d, 3d
      rules::kLayerNorm,       // nn::LayerNorm
      rules::kGroupNorm,       // nn::GroupNorm
      rules::kEmbedding,       // nn::Embedding
      rules::kFusedLstm,       // nn::LSTM, where libtorch makes one node of a layer
      rules::kAdd,             // tensor + parameter
      rules::kSubtract,        // tensor - parameter
      rules::kMultiply,        // tensor * parameter
      rules::kDivide,          // tensor / parameter
      rules::kExpand,          // parameter.expand(...), joined with tensors
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

}  // namespace discreet
