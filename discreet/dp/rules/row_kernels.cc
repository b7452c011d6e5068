#include "discreet/dp/rules/row_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>

// The same code for each vector width; the loader picks one for the machine.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DISCREET_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define DISCREET_VECTOR_CLONES
#endif

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

template <typename Value, typename Kernel>
at::Tensor by_row(const at::Tensor& x, Kernel kernel) {
  const at::Tensor dense = x.contiguous();
  const int64_t rows = dense.size(0), width = rows == 0 ? 0 : dense.numel() / rows;
  at::Tensor result = at::zeros({rows}, dense.options().dtype(at::kDouble));
  const Value* from = dense.data_ptr<Value>();
  double* to = result.data_ptr<double>();
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, width));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) to[row] = kernel(from + row * width, width);
  });
  return result;
}

}  // namespace

at::Tensor row_squares(const at::Tensor& x) {
  if (x.device().is_cpu() && x.scalar_type() == at::kFloat)
    return by_row<float>(x, [](const float* row, int64_t n) { return squares(row, n); });
  if (x.device().is_cpu() && x.scalar_type() == at::kDouble)
    return by_row<double>(x, [](const double* row, int64_t n) { return squares(row, n); });
  return x.to(at::kDouble).square().flatten(1).sum(1);
}

at::Tensor row_sums(const at::Tensor& x) {
  if (x.device().is_cpu() && x.scalar_type() == at::kFloat)
    return by_row<float>(x, [](const float* row, int64_t n) { return sums(row, n); });
  if (x.device().is_cpu() && x.scalar_type() == at::kDouble)
    return by_row<double>(x, [](const double* row, int64_t n) { return sums(row, n); });
  return x.to(at::kDouble).flatten(1).sum(1);
}

at::Tensor middle_sums(const at::Tensor& x) {
  if (x.size(1) == 1) return x.select(1, 0).to(at::kDouble);
  at::Tensor result = at::zeros({x.size(0), x.size(2)}, x.options().dtype(at::kDouble));
  // Blocks, so that the copy in double stays small.
  const int64_t block = std::max<int64_t>(1, (1 << 20) / std::max<int64_t>(1, x.size(1) * x.size(2)));
  for (int64_t begin = 0; begin < x.size(0); begin += block) {
    const int64_t end = std::min(begin + block, x.size(0));
    result.slice(0, begin, end).copy_(x.slice(0, begin, end).sum(1, false, at::kDouble));
  }
  return result;
}

}  // namespace discreet
