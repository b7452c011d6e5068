// Embedding tables. Per sample the gradient of a table's row is the sum of g over the positions that hold its
// token. The padding token has no gradient.
#include "discreet/dp/rules/token_gradients.h"

namespace discreet {
namespace {

using namespace libtorch;

std::string refuse(Node& node, uint32_t, const Layout& layout) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  if (embedding.scale_grad_by_freq) return "scale_grad_by_freq mixes the samples of a batch";
  return layout.leads(output_shape(node), 1) ? "" : "no dimension of the tokens is the batch";
}

std::unique_ptr<Gradients> gradients(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  const Shape out = g.sizes().vec();
  at::Tensor tokens = layout.samples_first(unpack(embedding.indices_, node).to(at::kLong), 0, out, 1);
  const at::Tensor positions = at::arange(tokens.size(1), tokens.options()).expand_as(tokens);
  tokens = tokens.masked_fill(tokens == integer(embedding.padding_idx), ReadTokens::kNone);
  return std::make_unique<TokenGradients>(
      ReadTokens{tokens, positions, {}, layout.samples_first(g, 1, out, 1)}, input_shape(node.next_edge(0)));
}

}  // namespace

namespace rules {
extern const Rule kEmbedding;
const Rule kEmbedding{"embedding", "EmbeddingBackward0", refuse, gradients};
}  // namespace rules
}  // namespace discreet
