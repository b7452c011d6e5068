#include "discreet/dp/rules/token_gradients.h"

#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/token_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {

SquaredNorms TokenGradients::squared_norms() {
  if (!by_number() && has_token_kernels(read_)) return {token_squares(read_), {}};
  const int64_t samples = read_.tokens.size(0), names = by_number() ? shape_[0] * shape_[1] : shape_[0];
  const Parts parts = parts_of(at::arange(samples, read_.tokens.options()));
  const auto [pairs, inverse, counts] =
      at::_unique2(parts.samples * names + parts.tokens, /*sorted=*/true, /*return_inverse=*/true);
  at::Tensor summed = at::zeros({pairs.size(0), parts.g.size(1)}, parts.g.options());
  summed.index_add_(0, inverse, parts.g);
  at::Tensor squared = at::zeros({samples}, summed.options());
  squared.index_add_(0, pairs.div(names, "floor"), row_squares(summed));
  return {squared, {}};
}

void TokenGradients::add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  const WeightedRows rows(weights, begin, end);
  if (rows.empty()) return;
  if (by_rows(sum)) {
    add_tokens(read_, rows.take(at::arange(read_.tokens.size(0), at::kLong)), rows.weights(), sum);
    return;
  }
  Parts parts = parts_of(rows.take(at::arange(read_.tokens.size(0), read_.tokens.options())));
  parts.g.mul_(rows.weights().index_select(0, parts.samples).unsqueeze(1));
  add(parts, sum);
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
  add(parts_of(at::arange(begin, end, read_.tokens.options())), sum);
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

TokenGradients::Parts TokenGradients::parts_of(const at::Tensor& samples) const {
  const at::Tensor found = read_.tokens.index_select(0, samples).ne(ReadTokens::kNone).nonzero();
  const at::Tensor among = found.select(1, 0), sample = samples.index_select(0, among);
  const int64_t t = read_.tokens.size(1), rows = read_.g.size(1);
  const at::Tensor token = sample * t + found.select(1, 1);
  const auto of_token = [&](const at::Tensor& x) { return x.reshape({-1}).index_select(0, token); };
  const at::Tensor row = sample * rows + of_token(read_.positions);
  at::Tensor g = read_.g.flatten(0, 1).index_select(0, row).to(at::kDouble, false, /*copy=*/true);
  if (read_.weights.defined()) g.mul_(of_token(read_.weights).unsqueeze(1));
  return {among, of_token(read_.tokens), g};
}

void TokenGradients::add(const Parts& parts, at::Tensor sum) const {
  if (by_number()) {
    sum.index_put_({parts.tokens.div(shape_[1], "floor"), parts.tokens.remainder(shape_[1])},
                   parts.g.squeeze(1), /*accumulate=*/true);
  } else {
    sum.index_add_(0, parts.tokens, parts.g);
  }
}

}  // namespace discreet
