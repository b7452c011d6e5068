#include "discreet/dp/rules/row_gradients.h"

#include <algorithm>

#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {

SquaredNorms RowGradients::squared_norms() {
  return {row_squares(rows_), {}};
}

void RowGradients::add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  const WeightedRows rows(weights, begin, end);
  if (!rows.empty()) sum.add_(rows.sum(rows_).view(sum.sizes()));
}

bool RowGradients::write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) {
  if (rows_.scalar_type() != sum.scalar_type()) return false;  // sums in double stay so
  sum.copy_(WeightedRows(weights, begin, end).sum(rows_).view(sum.sizes()));
  return true;
}

at::Tensor RowGradients::gradient(int64_t begin, int64_t end) {
  return rows_.slice(0, begin, end).sum(0, false, at::kDouble).view(shape_);
}

bool RowGradients::absorb(Gradients& other) {
  auto* rows = dynamic_cast<RowGradients*>(&other);
  if (rows == nullptr || rows->shape_ != shape_) return false;
  rows_ = rows_.to(at::kDouble) + rows->rows_;
  return true;
}

std::optional<RulePlan> RowGradients::plan() {
  const auto numbers = static_cast<double>(rows_.numel());
  return RulePlan{.way = "rows",
                  .flops = 2 * numbers,
                  .bytes = numbers * static_cast<double>(rows_.element_size()),
                  .rounding = 0,
                  .direct_flops = numbers,
                  .terms = 1,
                  .unit = rows_.scalar_type() == at::kDouble ? 0x1p-53 : 0x1p-24};
}

at::Tensor summed_to(const at::Tensor& x, const Layout& layout, const libtorch::Shape& shape) {
  if (x.dim() == 0) return summed_to(x.unsqueeze(0), layout, {1});
  const at::Tensor split =
      layout.samples() == 1 ? x.unsqueeze(0) : layout.split_out(x);  // [samples, dimensions of x]
  const int64_t missing = x.dim() - static_cast<int64_t>(shape.size());
  // Rows for each sample, all the dimensions before the parameter's own.
  const bool whole_rows = missing >= 0 && std::equal(shape.begin(), shape.end(), x.sizes().begin() + missing);
  if (whole_rows && !shape.empty() && x.numel() > 0 && split.dim() == x.dim() + 1) {
    const int64_t width = c10::multiply_integers(shape);
    return middle_sums(split.reshape({layout.samples(), -1, width}));
  }
  libtorch::Shape summed;
  for (int64_t d = 0; d < x.dim(); ++d)
    if (d < missing || shape[d - missing] == 1) summed.push_back(d + 1);
  const at::Tensor sum =
      summed.empty() ? split.to(at::kDouble) : split.sum(summed, /*keepdim=*/true, /*dtype=*/at::kDouble);
  return sum.reshape({layout.samples(), -1});
}

std::string broadcast_refusal(const libtorch::Shape& out, const Layout& layout,
                              const libtorch::Shape& shape) {
  if (layout.samples() == 1 || layout.keys() == 1) return "";
  const auto place = layout.place(out);
  if (!place) return "no single dimension of the result is the batch";
  const int64_t dimension =
      place->dimension - static_cast<int64_t>(out.size()) + static_cast<int64_t>(shape.size());
  if (dimension >= 0 && shape[dimension] != 1) return "it has a row of its own for each row of the batch";
  return "";
}

}  // namespace discreet
