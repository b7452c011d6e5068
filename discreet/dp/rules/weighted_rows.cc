#include "discreet/dp/rules/weighted_rows.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/row_kernels.h"

namespace discreet {

WeightedRows::WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end)
    : begin_(begin), end_(end), all_(weights.slice(0, begin, end)), weights_(all_) {
  if (is_on_device(all_)) {
    none_ = all_ == 0;
    return;
  }
  const at::Tensor known = all_.contiguous();
  const auto* weight = known.data_ptr<double>();
  std::vector<int64_t> used;
  for (int64_t i = 0; i < end - begin; ++i) {
    if (weight[i] == 0) continue;
    used.push_back(i);
    least_ = std::min(least_, std::abs(weight[i]));
  }
  if (static_cast<int64_t>(used.size()) == end - begin) return;
  const at::Tensor local = at::tensor(used, at::kLong);
  weights_ = weights_.index_select(0, local);
  index_ = local + begin;
}

// [k] -> [k, 1, ...], as x is laid out.
at::Tensor WeightedRows::along(const at::Tensor& numbers, const at::Tensor& x) const {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = numbers.size(0);
  return numbers.view(shape);
}

at::Tensor WeightedRows::take(const at::Tensor& x) const {
  if (none_.defined()) return x.slice(0, begin_, end_).masked_fill(along(none_, x), 0);
  return index_.defined() ? x.index_select(0, index_) : x.slice(0, begin_, end_);
}

at::Tensor WeightedRows::take_scaled(const at::Tensor& x) const {
  const at::Tensor factor = along(weights_, x);
  if (none_.defined()) {  // one pass: a device multiplies in double on the way
    const at::Tensor rows = x.slice(0, begin_, end_);
    at::Tensor scaled = at::empty_like(rows);
    at::mul_out(scaled, rows, factor);
    return scaled.masked_fill_(along(none_, x), 0);
  }
  const at::Tensor rows = take(x);
  if (!tiny()) return rows * factor.to(x.scalar_type());
  return (rows.to(at::kDouble) * factor).to(x.scalar_type());
}

at::Tensor WeightedRows::sum(const at::Tensor& x) const {
  const at::Tensor rows = x.flatten(1);
  const at::Tensor sum = none_.defined() ? take_scaled(rows).sum(0, /*keepdim=*/false, at::kDouble)
                                         : weighted_sum(rows.slice(0, begin_, end_), all_);
  return sum.view(x.sizes().slice(1));
}

}  // namespace discreet
