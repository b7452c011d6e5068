#include "discreet/dp/rules/weighted_rows.h"

#include <vector>

namespace discreet {

WeightedRows::WeightedRows(const at::Tensor& weights, int64_t begin, int64_t end)
    : begin_(begin), end_(end), weights_(weights.slice(0, begin, end)) {
  const at::Tensor used = weights_ != 0;
  if (!used.all().item<bool>()) {
    const at::Tensor local = used.nonzero().squeeze(1);
    weights_ = weights_.index_select(0, local);
    index_ = local + begin;
  }
}

at::Tensor WeightedRows::take(const at::Tensor& x) const {
  return index_.defined() ? x.index_select(0, index_) : x.slice(0, begin_, end_);
}

bool WeightedRows::tiny() const {
  return !empty() && weights_.abs().min().item<double>() < 0x1p-60;
}

at::Tensor WeightedRows::take_scaled(const at::Tensor& x) const {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = weights_.size(0);
  const at::Tensor factor = weights_.view(shape), rows = take(x);
  if (!tiny()) return rows * factor.to(x.scalar_type());
  return (rows.to(at::kDouble) * factor).to(x.scalar_type());
}

at::Tensor WeightedRows::sum(const at::Tensor& x) const {
  const at::Tensor rows = take(x).flatten(1);
  const auto precision = tiny() ? at::kDouble : rows.scalar_type();
  return weights_.to(precision).unsqueeze(0).mm(rows.to(precision)).view(x.sizes().slice(1));
}

}  // namespace discreet
