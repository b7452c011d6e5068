// Gradients of a table of which each sample reads a few rows or numbers: embeddings and bags of them.
// Repeated tokens are added before the norm is taken: exact, at a cost that follows the tokens of the batch
// and not the vocabulary.
#pragma once

#include <torch/torch.h>

#include "discreet/dp/rules/rule.h"

namespace discreet {

// Token j of sample i adds weights[i, j] * g[i, positions[i, j]] to what it names of the table: row tokens[i,
// j]; or where g has one number and a row of the table more, the table's number tokens[i, j], counted row by
// row.
struct ReadTokens {
  static constexpr int64_t kNone = -1;
  at::Tensor tokens;     // [samples, t]; kNone where the sample has fewer
  at::Tensor positions;  // [samples, t]
  at::Tensor weights;    // double [samples, t]; undefined: all are 1
  at::Tensor g;          // [samples, any number, width] or [samples, any number, 1]
};

class TokenGradients : public Gradients {
 public:
  // shape: [vocabulary, width]
  TokenGradients(const ReadTokens& read, libtorch::Shape shape)
      : shape_(std::move(shape)),
        read_{read.tokens.contiguous(), read.positions.contiguous(), read.weights,
              libtorch::at_least_float(read.g).contiguous()} {}

  SquaredNorms squared_norms() override;
  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  bool write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override;
  at::Tensor gradient(int64_t begin, int64_t end) override;
  bool absorb(Gradients& other) override;
  std::optional<Factors> factors() override;
  std::optional<RulePlan> plan() override;

 private:
  // Double [samples, t, width]: what each token adds; 0 where there is none.
  static at::Tensor of_tokens(const ReadTokens& read);
  bool by_rows(const at::Tensor& sum) const;
  bool by_number() const { return read_.g.size(2) != shape_[1]; }
  void add(const ReadTokens& read, const at::Tensor& g, at::Tensor sum) const;

  libtorch::Shape shape_;
  ReadTokens read_;
};

}  // namespace discreet
