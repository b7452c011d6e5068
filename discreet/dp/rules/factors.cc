#include "discreet/dp/rules/factors.h"

#include <algorithm>
#include <cmath>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_kernels.h"

namespace discreet {
namespace {

bool by_tokens(const Factors& factors) {
  return factors.tokens.defined();
}

int64_t positions(const Factors& factors) {
  return factors.right.size(1);
}

// [n, t, t']: products of the left sides, of samples [begin, end).
at::Tensor left_products(const Factors& a, const Factors& b, int64_t begin, int64_t end) {
  const auto part = [&](const at::Tensor& x) { return x.slice(0, begin, end); };
  if (by_tokens(a) && by_tokens(b))
    return part(a.tokens).unsqueeze(2).eq(part(b.tokens).unsqueeze(1)).to(at::kDouble);
  if (by_tokens(a)) return left_products(b, a, begin, end).transpose(1, 2);
  if (by_tokens(b)) {
    const at::Tensor chosen = part(b.tokens).unsqueeze(1).expand({end - begin, positions(a), positions(b)});
    return part(a.left).gather(2, chosen).to(at::kDouble);
  }
  return part(a.left).to(at::kDouble).bmm(part(b.left).to(at::kDouble).transpose(1, 2));
}

int64_t most_positions(const std::vector<Factors>& uses) {
  int64_t most = 1;
  for (const Factors& use : uses) most = std::max(most, positions(use));
  return most;
}

// Samples whose products are made at a time.
int64_t block_of(const std::vector<Factors>& uses) {
  const int64_t most = most_positions(uses);
  return std::max<int64_t>(1, kBlockNumbers / (most * most));
}

double relative_error(const std::vector<Factors>& uses) {
  int64_t all = 0;
  for (const Factors& use : uses) all += positions(use);
  const int64_t width = uses.front().right.size(2);
  return std::max(outer::product_error(at::kFloat, all),
                  outer::ghost_error(all, width + (by_tokens(uses.front()) ? 0 : uses.front().left.size(2))));
}

}  // namespace

SquaredNorms squared_norms_of_sum(const std::vector<Factors>& uses) {
  const int64_t samples = uses.front().right.size(0);
  const auto options = uses.front().right.options().dtype(at::kDouble);
  SquaredNorms result{at::zeros({samples}, options), at::zeros({samples}, options)};
  const int64_t block = block_of(uses);
  for (size_t a = 0; a < uses.size(); ++a)
    for (size_t b = a; b < uses.size(); ++b)
      for (int64_t begin = 0; begin < samples; begin += block) {
        const int64_t end = std::min(begin + block, samples);
        const at::Tensor right = uses[a].right.slice(0, begin, end).to(at::kDouble);
        const at::Tensor other = uses[b].right.slice(0, begin, end).to(at::kDouble);
        const at::Tensor part =
            (left_products(uses[a], uses[b], begin, end) * right.bmm(other.transpose(1, 2))).sum({1, 2});
        result.squared.slice(0, begin, end).add_(part, a == b ? 1 : 2);
      }
  result.squared.clamp_min_(0);
  for (const Factors& use : uses) {
    const at::Tensor left_squares = by_tokens(use)
                                        ? at::full({samples}, static_cast<double>(positions(use)), options)
                                        : row_squares(use.left);
    result.error += (left_squares * row_squares(use.right)).sqrt();
  }
  result.error *= relative_error(uses);
  return result;
}

RulePlan plan_of_sum(const std::vector<Factors>& uses) {
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  const int64_t samples = uses.front().right.size(0);
  const double n = number(samples), k = number(uses.front().right.size(2));
  RulePlan plan{.way = "ghost, of the sum of all uses",
                .flops = 0,
                .bytes = 0,
                .rounding = relative_error(uses),
                .direct_flops = 0,
                .terms = 0,
                .unit = outer::unit_roundoff(at::kFloat)};
  double longest = 1;
  for (size_t a = 0; a < uses.size(); ++a) {
    for (size_t b = a; b < uses.size(); ++b) {
      const bool chosen = by_tokens(uses[a]) || by_tokens(uses[b]);
      const double m = chosen ? 0 : number(uses[a].left.size(2));
      plan.flops += n * number(positions(uses[a])) * number(positions(uses[b])) * (2 * (m + k) + 2);
      longest = std::max(longest, 2 * (m + k));
    }
    plan.terms += positions(uses[a]);
  }
  // Both sides of two uses in double, and their two products.
  const double most = number(most_positions(uses));
  plan.bytes = number(std::min(samples, block_of(uses))) * most * (longest + 2 * most) * sizeof(double);
  return plan;
}

std::optional<Factors> transposed(const Factors& factors) {
  if (by_tokens(factors)) return {};
  return Factors{factors.right, {}, factors.left};
}

}  // namespace discreet
