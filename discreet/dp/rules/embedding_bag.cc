// Tables of which each row of the output adds up, averages or takes the largest of the rows that its bag of
// tokens names. Per sample the gradient of a table's row is the sum of g over the tokens that name it,
// divided by the tokens of the bag (mean) or multiplied by their weights (sum); of the largest, each number
// of g belongs to the table's number that was the largest. The padding token is in no bag, and an empty bag
// has no gradient. The samples own bags, whatever the number of tokens in them.
#include <algorithm>
#include <vector>

#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/token_gradients.h"

namespace discreet {
namespace {

using namespace libtorch;

enum Mode : int64_t { kSum = 0, kMean = 1, kMax = 2 };

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  auto& bag = dynamic_cast<saved::EmbeddingBagBackward0&>(node);
  if (input != 0) return "only the table is covered, not the weights of its tokens";
  if (bag.scale_grad_by_freq) return "scale_grad_by_freq mixes the samples of a batch";
  return layout.leads(output_shape(node), 1) ? "" : "no dimension of the bags is the batch";
}

// The samples' tokens, in rows as long as the longest.
class TokenRows {
 public:
  explicit TokenRows(int64_t samples) : tokens_(samples), positions_(samples), weights_(samples) {}

  void add(int64_t sample, int64_t token, int64_t position, double weight) {
    tokens_[sample].push_back(token);
    positions_[sample].push_back(position);
    weights_[sample].push_back(weight);
  }

  ReadTokens read(const at::Tensor& g) const {
    size_t longest = 1;
    for (const auto& row : tokens_) longest = std::max(longest, row.size());
    const auto padded = [&](const auto& rows, auto none, at::ScalarType type) {
      at::Tensor result =
          at::full({static_cast<int64_t>(rows.size()), static_cast<int64_t>(longest)}, none, type);
      for (size_t i = 0; i < rows.size(); ++i)
        std::copy(rows[i].begin(), rows[i].end(), result.data_ptr<decltype(none)>() + i * longest);
      return moved_to(result, g);
    };
    return {padded(tokens_, int64_t{ReadTokens::kNone}, at::kLong), padded(positions_, int64_t{0}, at::kLong),
            padded(weights_, 0.0, at::kDouble), g};
  }

 private:
  std::vector<std::vector<int64_t>> tokens_, positions_;
  std::vector<std::vector<double>> weights_;
};

std::unique_ptr<Gradients> gradients(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  auto& bag = dynamic_cast<saved::EmbeddingBagBackward0&>(node);
  const auto integers_of = [&](const torch::autograd::SavedVariable& variable) {
    return unpack(variable, node).to(at::kCPU, at::kLong).contiguous();
  };
  const at::Tensor indices = integers_of(bag.indices_), offsets = integers_of(bag.offsets_);
  const at::Tensor largest = bag.mode == kMax ? integers_of(bag.result3_) : at::Tensor();
  at::Tensor of_tokens = unpack(bag.per_sample_weights_, node);
  if (of_tokens.defined()) of_tokens = of_tokens.to(at::kCPU, at::kDouble).contiguous();

  const Shape out = g.sizes().vec();
  const int64_t bags = out[0], width = out[1];
  const at::Tensor by_sample = layout.samples_first(g, 1, out, 1);  // [samples, most, width]
  // Which bag that is, from 1; 0 where the sample has fewer.
  const at::Tensor numbers = layout.samples_first(at::arange(1, bags + 1), 0, out, 1).contiguous();
  const int64_t most = numbers.size(1);
  TokenRows rows(layout.samples());
  for (int64_t slot = 0; slot < numbers.numel(); ++slot) {
    const int64_t sample = slot / most, b = numbers.data_ptr<int64_t>()[slot] - 1;
    if (b < 0) continue;
    const int64_t begin = offsets.data_ptr<int64_t>()[b];
    const int64_t end = b + 1 < offsets.numel() ? offsets.data_ptr<int64_t>()[b + 1] : indices.numel();
    std::vector<int64_t> real;  // the places of the bag's tokens
    for (int64_t i = begin; i < end; ++i)
      if (indices.data_ptr<int64_t>()[i] != bag.padding_idx) real.push_back(i);
    if (real.empty()) continue;
    if (bag.mode == kMax) {
      for (int64_t d = 0; d < width; ++d)
        rows.add(sample, largest.data_ptr<int64_t>()[b * width + d] * width + d, slot % most * width + d, 1);
      continue;
    }
    for (int64_t i : real) {
      double weight = bag.mode == kMean ? 1.0 / static_cast<double>(real.size()) : 1;
      if (of_tokens.defined()) weight *= of_tokens.data_ptr<double>()[i];
      rows.add(sample, indices.data_ptr<int64_t>()[i], slot % most, weight);
    }
  }
  return std::make_unique<TokenGradients>(
      rows.read(bag.mode == kMax ? by_sample.reshape({layout.samples(), -1, 1}) : by_sample),
      input_shape(node.next_edge(0)));
}

}  // namespace

namespace rules {
extern const Rule kEmbeddingBag;
const Rule kEmbeddingBag{"embedding bag", "EmbeddingBagBackward0", refuse, gradients};
}  // namespace rules
}  // namespace discreet
