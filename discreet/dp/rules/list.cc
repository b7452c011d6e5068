#include "discreet/dp/rules/list.h"

namespace discreet {

namespace rules {
extern const Rule kLinearWithBias, kLinear, kConvolution, kLayerNorm, kGroupNorm, kEmbedding, kAdd, kSubtract,
    kMultiply;
}  // namespace rules

const std::vector<Rule>& clip_rules() {
  static const std::vector<Rule> list = {
      rules::kLinearWithBias,  // nn::Linear, any leading dimensions
      rules::kLinear,          // without bias
      rules::kConvolution,     // nn::Conv1d, nn::Conv2d
      rules::kLayerNorm,       // nn::LayerNorm
      rules::kGroupNorm,       // nn::GroupNorm
      rules::kEmbedding,       // nn::Embedding
      rules::kAdd,             // tensor + parameter
      rules::kSubtract,        // tensor - parameter
      rules::kMultiply,        // tensor * parameter
  };
  return list;
}

const Rule* find_rule(const std::string& operation) {
  for (const Rule& rule : clip_rules())
    if (operation == rule.operation) return &rule;
  return nullptr;
}

}  // namespace discreet
