#include "discreet/dp/rules/weighted_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "discreet/dp/rules/row_kernels.h"

namespace discreet {

WeightedRows::WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end)
    : begin_(begin), end_(end), all_(weights.slice(0, begin, end)), weights_(all_) {
  const at::Tensor known = all_.cpu().contiguous();
  const auto* weight = known.data_ptr<double>();
  std::vector<int64_t> used;
  for (int64_t i = 0; i < end - begin; ++i) {
    if (weight[i] == 0) continue;
    used.push_back(i);
    least_ = std::min(least_, std::abs(weight[i]));
  }
  if (static_cast<int64_t>(used.size()) == end - begin) return;
  const at::Tensor local = at::tensor(used, at::kLong).to(weights_.device());
  weights_ = weights_.index_select(0, local);
  index_ = local + begin;
}

at::Tensor WeightedRows::take(const at::Tensor& x) const {
  return index_.defined() ? x.index_select(0, index_) : x.slice(0, begin_, end_);
}

at::Tensor WeightedRows::take_scaled(const at::Tensor& x) const {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = weights_.size(0);
  const at::Tensor factor = weights_.view(shape), rows = take(x);
  if (!tiny()) return rows * factor.to(x.scalar_type());
  return (rows.to(at::kDouble) * factor).to(x.scalar_type());
}

at::Tensor WeightedRows::sum(const at::Tensor& x) const {
  const at::Tensor rows = x.flatten(1);
  if (x.device().is_cpu()) return weighted_sum(rows.slice(0, begin_, end_), all_).view(x.sizes().slice(1));
  const auto precision = tiny() ? at::kDouble : x.scalar_type();
  return weights_.to(precision).unsqueeze(0).mm(take(rows).to(precision)).view(x.sizes().slice(1));
}

}  // namespace discreet
