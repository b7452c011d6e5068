// Embedding tables. Per sample the gradient of a table's row is the sum of g over the positions that hold its
// token, so repeated tokens are added before the norm is taken: exact, at a cost that follows the tokens of
// the batch and not the vocabulary. The padding token has no gradient.
#include "discreet/dp/rules/parts.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

class EmbeddingTerm : public Term {
 public:
  EmbeddingTerm(const at::Tensor& tokens, const at::Tensor& g, int64_t padding, Shape shape, int64_t samples)
      : shape_(std::move(shape)),
        tokens_(tokens.reshape({samples, -1})),
        g_(g.reshape({samples, -1, shape_[1]})),
        real_(tokens_ != padding) {}

  SquaredNorms squared_norms(uint32_t) override {
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

  void add_weighted(uint32_t, const at::Tensor& weights, int64_t begin, int64_t end,
                    at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    add(rows.take(tokens_), rows.take(real_), rows.take(g_).to(at::kDouble) * rows.weights().view({-1, 1, 1}),
        sum);
  }

  at::Tensor gradient(uint32_t, int64_t begin, int64_t end) override {
    at::Tensor sum = at::zeros(shape_, g_.options().dtype(at::kDouble));
    add(tokens_.slice(0, begin, end), real_.slice(0, begin, end), g_.slice(0, begin, end).to(at::kDouble),
        sum);
    return sum;
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

std::string refuse(Node& node, uint32_t, int64_t samples) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  if (embedding.scale_grad_by_freq) return "scale_grad_by_freq mixes the samples of a batch";
  const Shape shape = output_shape(node);
  if (shape.size() < 2 || shape[0] % samples != 0) return "the tokens' first dimension is not the batch";
  return "";
}

std::unique_ptr<Term> bind(Node& node, const at::Tensor& g, int64_t samples) {
  auto& embedding = dynamic_cast<saved::EmbeddingBackward0&>(node);
  return std::make_unique<EmbeddingTerm>(unpack(embedding.indices_, node), g, integer(embedding.padding_idx),
                                         input_shape(node.next_edge(0)), samples);
}

}  // namespace

namespace rules {
extern const Rule kEmbedding;
const Rule kEmbedding{"embedding", "EmbeddingBackward0", refuse, bind};
}  // namespace rules
}  // namespace discreet
