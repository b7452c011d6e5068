// Sums over the rows of a matrix, accumulated in double: one pass over memory, no copy in double.
#pragma once

#include <torch/torch.h>

namespace discreet {

// x [n, ...] float or double -> double [n]: sum of squares of each row. A value that is not finite makes its
// own row's result not finite and touches no other.
at::Tensor row_squares(const at::Tensor& x);

// x [n, ...] -> double [n]: sum of each row.
at::Tensor row_sums(const at::Tensor& x);

// x, y [n, ...] of one shape -> of each row, double [n]: the sum of x and that of the products, in one pass.
struct RowSums {
  at::Tensor sums, dots;
};
RowSums row_sums_and_dots(const at::Tensor& x, const at::Tensor& y);

// x [n, m] float or double in the processor's memory, weights double [n] -> double [m]: the sum of the rows
// times their weights. A row of weight 0 is not read.
at::Tensor weighted_sum(const at::Tensor& x, const at::Tensor& weights);

// x [n, t, m] -> [n, m]: sum over the middle, in double; where t is 1, the same numbers in their own type.
at::Tensor middle_sums(const at::Tensor& x);

// x, y [n, t, m] of one type, mean, scale [n, t] of that type -> double [n, m]: the sum over the middle of
// (x - mean) * scale * y.
at::Tensor normalised_middle_sums(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& scale,
                                  const at::Tensor& y);

}  // namespace discreet
