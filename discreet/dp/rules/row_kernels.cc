#include "discreet/dp/rules/row_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/vector_clones.h"

namespace discreet {
namespace {

constexpr int64_t kLanes = 32;

double finish(double* lanes) {
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

DISCREET_VECTOR_CLONES double squares(const float* x, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane];
      lanes[lane] += value * value;
    }
  for (; i < n; ++i) lanes[i % kLanes] += static_cast<double>(x[i]) * x[i];
  return finish(lanes);
}

DISCREET_VECTOR_CLONES double squares(const double* x, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  for (; i < n; ++i) lanes[i % kLanes] += x[i] * x[i];
  return finish(lanes);
}

DISCREET_VECTOR_CLONES double sums(const float* x, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  for (; i < n; ++i) lanes[i % kLanes] += x[i];
  return finish(lanes);
}

DISCREET_VECTOR_CLONES double sums(const double* x, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  for (; i < n; ++i) lanes[i % kLanes] += x[i];
  return finish(lanes);
}

DISCREET_VECTOR_CLONES void sums_and_products(const float* x, const float* y, int64_t n, double* sum,
                                              double* product) {
  double of_x[kLanes] = {}, of_both[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane];
      of_x[lane] += value;
      of_both[lane] += value * y[i + lane];
    }
  for (; i < n; ++i) {
    of_x[i % kLanes] += x[i];
    of_both[i % kLanes] += static_cast<double>(x[i]) * y[i];
  }
  *sum = finish(of_x);
  *product = finish(of_both);
}

// Four rows, `step` numbers apart: `to` is written once for all of them.
DISCREET_VECTOR_CLONES void add_four_rows(const float* __restrict x, int64_t step, int64_t n,
                                          double* __restrict to) {
  const float *b = x + step, *c = b + step, *d = c + step;
  for (int64_t i = 0; i < n; ++i)
    to[i] += (static_cast<double>(x[i]) + static_cast<double>(b[i])) +
             (static_cast<double>(c[i]) + static_cast<double>(d[i]));
}

DISCREET_VECTOR_CLONES void add_four_rows(const double* __restrict x, int64_t step, int64_t n,
                                          double* __restrict to) {
  const double *b = x + step, *c = b + step, *d = c + step;
  for (int64_t i = 0; i < n; ++i) to[i] += (x[i] + b[i]) + (c[i] + d[i]);
}

DISCREET_VECTOR_CLONES void add_row(const float* __restrict x, int64_t n, double* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += x[i];
}

DISCREET_VECTOR_CLONES void add_row(const double* __restrict x, int64_t n, double* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += x[i];
}

DISCREET_VECTOR_CLONES void add_four_weighted(const float* const* rows, const double* weights, int64_t n,
                                              double* __restrict to) {
  const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  for (int64_t i = 0; i < n; ++i)
    to[i] += (weights[0] * a[i] + weights[1] * b[i]) + (weights[2] * c[i] + weights[3] * d[i]);
}

DISCREET_VECTOR_CLONES void add_four_weighted(const double* const* rows, const double* weights, int64_t n,
                                              double* __restrict to) {
  const double *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  for (int64_t i = 0; i < n; ++i)
    to[i] += (weights[0] * a[i] + weights[1] * b[i]) + (weights[2] * c[i] + weights[3] * d[i]);
}

DISCREET_VECTOR_CLONES void add_weighted(const float* __restrict x, double weight, int64_t n,
                                         double* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += weight * x[i];
}

DISCREET_VECTOR_CLONES void add_weighted(const double* __restrict x, double weight, int64_t n,
                                         double* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += weight * x[i];
}

DISCREET_VECTOR_CLONES void add_normalised(const float* __restrict x, float mean, float scale,
                                           const float* __restrict y, int64_t n, double* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += (x[i] - mean) * scale * y[i];
}

bool has_kernels(const at::Tensor& x) {
  return !is_on_device(x) && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
}

int64_t grain(int64_t width) {
  return std::max<int64_t>(1, 65536 / std::max<int64_t>(1, width));
}

template <typename Value>
at::Tensor sums_over_middle(const at::Tensor& x) {
  const at::Tensor rows = x.stride(2) == 1 ? x : x.contiguous();
  const int64_t count = rows.size(1), width = rows.size(2);
  at::Tensor result = at::zeros({rows.size(0), width}, rows.options().dtype(at::kDouble));
  const Value* from = rows.data_ptr<Value>();
  double* to = result.data_ptr<double>();
  at::parallel_for(0, rows.size(0), grain(count * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Value* sample = from + i * rows.stride(0);
      int64_t t = 0;
      for (; t + 4 <= count; t += 4)
        add_four_rows(sample + t * rows.stride(1), rows.stride(1), width, to + i * width);
      for (; t < count; ++t) add_row(sample + t * rows.stride(1), width, to + i * width);
    }
  });
  return result;
}

template <typename Value>
at::Tensor sum_of_weighted(const at::Tensor& x, const at::Tensor& weights) {
  constexpr int64_t kColumns = 1024;  // of which the sums stay in the nearest cache
  const at::Tensor dense = x.size(1) == 1 || x.stride(1) == 1 ? x : x.contiguous();
  const at::Tensor all = weights.contiguous();
  std::vector<const Value*> rows;
  std::vector<double> of_rows;
  for (int64_t i = 0; i < x.size(0); ++i) {
    if (all.data_ptr<double>()[i] == 0) continue;
    rows.push_back(dense.data_ptr<Value>() + i * dense.stride(0));
    of_rows.push_back(all.data_ptr<double>()[i]);
  }
  at::Tensor result = at::zeros({x.size(1)}, weights.options());
  auto* to = result.data_ptr<double>();
  at::parallel_for(0, x.size(1), grain(static_cast<int64_t>(rows.size())), [&](int64_t first, int64_t last) {
    for (int64_t begin = first; begin < last; begin += kColumns) {
      const int64_t count = std::min(kColumns, last - begin);
      size_t i = 0;
      for (; i + 4 <= rows.size(); i += 4) {
        const Value* four[] = {rows[i] + begin, rows[i + 1] + begin, rows[i + 2] + begin,
                               rows[i + 3] + begin};
        add_four_weighted(four, of_rows.data() + i, count, to + begin);
      }
      for (; i < rows.size(); ++i) add_weighted(rows[i] + begin, of_rows[i], count, to + begin);
    }
  });
  return result;
}

template <typename Value, typename Kernel>
at::Tensor by_row(const at::Tensor& x, Kernel kernel) {
  const at::Tensor dense = x.contiguous();
  const int64_t rows = dense.size(0), width = rows == 0 ? 0 : dense.numel() / rows;
  at::Tensor result = at::zeros({rows}, dense.options().dtype(at::kDouble));
  const Value* from = dense.data_ptr<Value>();
  double* to = result.data_ptr<double>();
  at::parallel_for(0, rows, grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) to[row] = kernel(from + row * width, width);
  });
  return result;
}

}  // namespace

at::Tensor row_squares(const at::Tensor& x) {
  if (!is_on_device(x) && x.scalar_type() == at::kFloat)
    return by_row<float>(x, [](const float* row, int64_t n) { return squares(row, n); });
  if (!is_on_device(x) && x.scalar_type() == at::kDouble)
    return by_row<double>(x, [](const double* row, int64_t n) { return squares(row, n); });
  return x.to(at::kDouble).square().flatten(1).sum(1);
}

at::Tensor row_sums(const at::Tensor& x) {
  if (!is_on_device(x) && x.scalar_type() == at::kFloat)
    return by_row<float>(x, [](const float* row, int64_t n) { return sums(row, n); });
  if (!is_on_device(x) && x.scalar_type() == at::kDouble)
    return by_row<double>(x, [](const double* row, int64_t n) { return sums(row, n); });
  return x.to(at::kDouble).flatten(1).sum(1);
}

RowSums row_sums_and_dots(const at::Tensor& x, const at::Tensor& y) {
  const auto is_float = [](const at::Tensor& t) { return !is_on_device(t) && t.scalar_type() == at::kFloat; };
  if (!is_float(x) || !is_float(y)) return {row_sums(x), (x.to(at::kDouble) * y).flatten(1).sum(1)};
  const at::Tensor a = x.contiguous(), b = y.contiguous();
  const int64_t rows = a.size(0), width = rows == 0 ? 0 : a.numel() / rows;
  const auto zeros = [&] { return at::zeros({rows}, a.options().dtype(at::kDouble)); };
  RowSums result{zeros(), zeros()};
  const auto *of_a = a.data_ptr<float>(), *of_b = b.data_ptr<float>();
  auto *sums = result.sums.data_ptr<double>(), *dots = result.dots.data_ptr<double>();
  at::parallel_for(0, rows, grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      sums_and_products(of_a + row * width, of_b + row * width, width, sums + row, dots + row);
  });
  return result;
}

at::Tensor weighted_sum(const at::Tensor& x, const at::Tensor& weights) {
  if (x.scalar_type() == at::kFloat) return sum_of_weighted<float>(x, weights);
  return sum_of_weighted<double>(x.to(at::kDouble), weights);
}

at::Tensor middle_sums(const at::Tensor& x) {
  if (x.size(1) == 1) return x.select(1, 0);
  if (has_kernels(x))
    return x.scalar_type() == at::kFloat ? sums_over_middle<float>(x) : sums_over_middle<double>(x);
  return x.sum(1, false, at::kDouble);
}

at::Tensor normalised_middle_sums(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& scale,
                                  const at::Tensor& y) {
  const auto is_float = [](const at::Tensor& t) { return !is_on_device(t) && t.scalar_type() == at::kFloat; };
  if (!is_float(x) || !is_float(y) || !is_float(mean) || !is_float(scale))
    return middle_sums((x - mean.unsqueeze(2)).mul_(scale.unsqueeze(2)).mul_(y)).to(at::kDouble);
  const at::Tensor a = x.stride(2) == 1 ? x : x.contiguous(), b = y.stride(2) == 1 ? y : y.contiguous();
  const int64_t count = x.size(1), width = x.size(2);
  at::Tensor result = at::zeros({x.size(0), width}, x.options().dtype(at::kDouble));
  const at::Tensor means = mean.contiguous(), scales = scale.contiguous();
  at::parallel_for(0, x.size(0), grain(count * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t t = 0; t < count; ++t)
        add_normalised(a.data_ptr<float>() + i * a.stride(0) + t * a.stride(1),
                       means.data_ptr<float>()[i * count + t], scales.data_ptr<float>()[i * count + t],
                       b.data_ptr<float>() + i * b.stride(0) + t * b.stride(1), width,
                       result.data_ptr<double>() + i * width);
  });
  return result;
}

}  // namespace discreet
