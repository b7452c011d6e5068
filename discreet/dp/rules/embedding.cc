// Embedding tables. Per sample the gradient of a table's row is the sum of g over the positions that hold its
// token, so repeated tokens are added before the norm is taken: exact, at a cost that follows the tokens of
// the batch and not the vocabulary. The padding token has no gradient.
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

using namespace libtorch;

class TokenGradients : public Gradients {
 public:
  // tokens [samples, t], g [samples, t, width]; shape [vocabulary, width]
  TokenGradients(at::Tensor tokens, at::Tensor g, int64_t padding, Shape shape)
      : shape_(std::move(shape)), tokens_(std::move(tokens)), g_(std::move(g)), real_(tokens_ != padding) {}

  SquaredNorms squared_norms() override {
    const int64_t samples = tokens_.size(0);
    const at::Tensor sample = at::arange(samples, tokens_.options()).unsqueeze(1).expand_as(tokens_);
    const at::Tensor key = (sample * shape_[0] + tokens_).masked_select(real_);
    const auto [pairs, inverse, counts] = at::_unique2(key, /*sorted=*/true, /*return_inverse=*/true);
    const at::Tensor g = g_.flatten(0, 1).index_select(0, real_.flatten().nonzero().squeeze(1));
    at::Tensor summed = at::zeros({pairs.size(0), shape_[1]}, g.options().dtype(at::kDouble));
    summed.index_add_(0, inverse, g.to(at::kDouble));
    at::Tensor squared = at::zeros({samples}, summed.options());
    squared.index_add_(0, pairs.div(shape_[0], "floor"), row_squares(summed));
    return {squared, {}};
  }

  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    add(rows.take(tokens_), rows.take(real_), rows.take(g_).to(at::kDouble) * rows.weights().view({-1, 1, 1}),
        sum);
  }

  at::Tensor gradient(int64_t begin, int64_t end) override {
    at::Tensor sum = at::zeros(shape_, g_.options().dtype(at::kDouble));
    add(tokens_.slice(0, begin, end), real_.slice(0, begin, end), g_.slice(0, begin, end).to(at::kDouble),
        sum);
    return sum;
  }

  // Positions of the padding token have no gradient.
  std::optional<Factors> factors() override {
    return Factors{{}, tokens_, g_.masked_fill(real_.logical_not().unsqueeze(2), 0)};
  }

  bool absorb(Gradients& other) override {
    auto* more = dynamic_cast<TokenGradients*>(&other);
    if (more == nullptr || more->shape_ != shape_) return false;
    tokens_ = at::cat({tokens_, more->tokens_}, 1);
    real_ = at::cat({real_, more->real_}, 1);
    g_ = at::cat({g_, more->g_}, 1);
    return true;
  }

 private:
  static void add(const at::Tensor& tokens, const at::Tensor& real, const at::Tensor& g, at::Tensor sum) {
    const at::Tensor positions = real.flatten().nonzero().squeeze(1);
    sum.index_add_(0, tokens.flatten().index_select(0, positions),
                   g.flatten(0, 1).index_select(0, positions));
  }

  Shape shape_;        // [vocabulary, width]
  at::Tensor tokens_;  // [samples, t]
  at::Tensor g_;       // [samples, t, width]
  at::Tensor real_;    // [samples, t], false at padding
};

std::string refuse(Node& node, uint32_t, const Layout& layout) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  if (embedding.scale_grad_by_freq) return "scale_grad_by_freq mixes the samples of a batch";
  return layout.leads(output_shape(node), 1) ? "" : "no dimension of the tokens is the batch";
}

std::unique_ptr<Gradients> gradients(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  const Shape out = g.sizes().vec();
  return std::make_unique<TokenGradients>(
      layout.samples_first(unpack(embedding.indices_, node).to(at::kLong), 0, out, 1),
      layout.samples_first(g, 1, out, 1), integer(embedding.padding_idx), input_shape(node.next_edge(0)));
}

}  // namespace

namespace rules {
extern const Rule kEmbedding;
const Rule kEmbedding{"embedding", "EmbeddingBackward0", refuse, gradients};
}  // namespace rules
}  // namespace discreet
