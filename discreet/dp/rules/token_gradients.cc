#include "discreet/dp/rules/token_gradients.h"

#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/token_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {

SquaredNorms TokenGradients::squared_norms() {
  if (!by_number() && has_token_kernels(read_)) return {token_squares(read_), {}};
  // In the order of its tokens, what a sample adds to one row of the table lies together.
  const auto [tokens, order] = read_.tokens.sort(1);
  const auto ordered = [&, &by = order](const at::Tensor& x) { return x.defined() ? x.gather(1, by) : x; };
  const at::Tensor g =
      of_tokens({tokens, ordered(read_.positions), ordered(read_.weights), read_.g}).flatten(0, 1);
  const int64_t samples = tokens.size(0), t = tokens.size(1);
  at::Tensor place = at::zeros_like(tokens);  // of the row, among those of the sample
  if (t > 1) place.slice(1, 1).copy_(tokens.slice(1, 1).ne(tokens.slice(1, 0, t - 1)).cumsum(1));
  place.add_(at::arange(samples, tokens.options()).mul_(t).unsqueeze(1));
  const at::Tensor summed = at::zeros_like(g).index_add_(0, place.flatten(), g);
  return {row_squares(summed).view({samples, t}).sum(1), {}};
}

void TokenGradients::add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  const WeightedRows rows(weights, begin, end);
  if (rows.empty()) return;
  if (by_rows(sum)) {
    add_tokens(read_, rows.take(at::arange(read_.tokens.size(0), at::kLong)), rows.weights(), sum);
    return;
  }
  const auto taken = [&](const at::Tensor& x) { return x.defined() ? rows.take(x) : x; };
  const ReadTokens read{taken(read_.tokens), taken(read_.positions), taken(read_.weights), taken(read_.g)};
  add(read, of_tokens(read).mul_(rows.weights().view({-1, 1, 1})), sum);
}

bool TokenGradients::write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  if (!by_rows(sum) || sum.scalar_type() != read_.g.scalar_type()) return false;
  sum.zero_();
  add_weighted(weights, begin, end, sum);
  return true;
}

// Whether kernels add whole rows to it.
bool TokenGradients::by_rows(const at::Tensor& sum) const {
  return !by_number() && has_token_kernels(read_) && sum.stride(1) == 1;
}

at::Tensor TokenGradients::gradient(int64_t begin, int64_t end) {
  at::Tensor sum = at::zeros(shape_, read_.g.options().dtype(at::kDouble));
  const auto part = [&](const at::Tensor& x) { return x.defined() ? x.slice(0, begin, end) : x; };
  const ReadTokens read{part(read_.tokens), part(read_.positions), part(read_.weights), part(read_.g)};
  add(read, of_tokens(read), sum);
  return sum;
}

bool TokenGradients::absorb(Gradients& other) {
  auto* more = dynamic_cast<TokenGradients*>(&other);
  if (more == nullptr || more->shape_ != shape_ || more->by_number() != by_number()) return false;
  const auto weights = [](const ReadTokens& read) {
    return read.weights.defined() ? read.weights
                                  : at::ones_like(read.tokens, read.g.options().dtype(at::kDouble));
  };
  if (read_.weights.defined() || more->read_.weights.defined())
    read_.weights = at::cat({weights(read_), weights(more->read_)}, 1);
  read_.tokens = at::cat({read_.tokens, more->read_.tokens}, 1);
  read_.positions = at::cat({read_.positions, more->read_.positions + read_.g.size(1)}, 1);
  read_.g = at::cat({read_.g, more->read_.g}, 1);
  return true;
}

std::optional<Factors> TokenGradients::factors() {
  if (by_number()) return {};
  const at::Tensor none = read_.tokens == ReadTokens::kNone;
  at::Tensor g = read_.g.gather(1, read_.positions.unsqueeze(2).expand({-1, -1, shape_[1]}));
  if (read_.weights.defined()) g = (g.to(at::kDouble) * read_.weights.unsqueeze(2)).to(read_.g.scalar_type());
  return Factors{{}, read_.tokens.masked_fill(none, 0), g.masked_fill(none.unsqueeze(2), 0)};
}

std::optional<RulePlan> TokenGradients::plan() {
  const auto numbers = static_cast<double>(read_.tokens.numel()) * static_cast<double>(read_.g.size(2));
  return RulePlan{.way = "tokens",
                  .flops = 3 * numbers,  // added up by token, then squared
                  .bytes = 2 * numbers * sizeof(double),
                  .rounding = 0,
                  .direct_flops = numbers,
                  .terms = 1,  // in each row, once added up in double
                  .unit = read_.g.scalar_type() == at::kFloat && !by_number() ? 0x1p-24 : 0x1p-53};
}

at::Tensor TokenGradients::of_tokens(const ReadTokens& read) {
  const at::Tensor positions = read.positions.unsqueeze(2).expand({-1, -1, read.g.size(2)});
  at::Tensor g = read.g.gather(1, positions).to(at::kDouble);
  if (read.weights.defined()) g.mul_(read.weights.unsqueeze(2));
  return g.masked_fill_((read.tokens == ReadTokens::kNone).unsqueeze(2), 0);
}

void TokenGradients::add(const ReadTokens& read, const at::Tensor& g, at::Tensor sum) const {
  const at::Tensor tokens = read.tokens.clamp_min(0).flatten(), all = g.flatten(0, 1);
  if (by_number()) {
    sum.index_put_({tokens.div(shape_[1], "floor"), tokens.remainder(shape_[1])}, all.squeeze(1),
                   /*accumulate=*/true);
  } else {
    sum.index_add_(0, tokens, all);
  }
}

}  // namespace discreet
