#include "discreet/dp/rules/token_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "discreet/dp/rules/vector_clones.h"

namespace discreet {
namespace {

DISCREET_VECTOR_CLONES void add_scaled(const float* __restrict from, int64_t count, double by,
                                       double* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] += by * from[i];
}

DISCREET_VECTOR_CLONES void add_scaled(const double* __restrict from, int64_t count, double by,
                                       double* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] += by * from[i];
}

// What was read, as plain numbers.
template <typename Value>
struct Reading {
  explicit Reading(const ReadTokens& read)
      : tokens(read.tokens.contiguous()),
        positions(read.positions.contiguous()),
        weights(read.weights.defined() ? read.weights.contiguous() : at::Tensor()),
        g(read.g.contiguous()),
        count(tokens.size(1)),
        rows(g.size(1)),
        width(g.size(2)) {}

  int64_t token(int64_t sample, int64_t j) const { return tokens.data_ptr<int64_t>()[sample * count + j]; }
  double weight(int64_t sample, int64_t j) const {
    return weights.defined() ? weights.data_ptr<double>()[sample * count + j] : 1;
  }
  const Value* row(int64_t sample, int64_t j) const {
    return g.data_ptr<Value>() + (sample * rows + positions.data_ptr<int64_t>()[sample * count + j]) * width;
  }

  at::Tensor tokens, positions, weights, g;
  int64_t count, rows, width;
};

template <typename Value>
at::Tensor squares(const ReadTokens& read) {
  const Reading<Value> all(read);
  const int64_t samples = all.tokens.size(0);
  at::Tensor result = at::zeros({samples}, at::kDouble);
  double* to = result.data_ptr<double>();
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, all.count * all.width));
  at::parallel_for(0, samples, grain, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> order(all.count);
    std::vector<double> row(all.width);
    for (int64_t i = begin; i < end; ++i) {
      std::iota(order.begin(), order.end(), int64_t{0});
      std::sort(order.begin(), order.end(),
                [&](int64_t a, int64_t b) { return all.token(i, a) < all.token(i, b); });
      for (int64_t j = 0; j < all.count;) {
        const int64_t token = all.token(i, order[j]);
        std::fill(row.begin(), row.end(), 0.0);
        for (; j < all.count && all.token(i, order[j]) == token; ++j)
          add_scaled(all.row(i, order[j]), all.width, all.weight(i, order[j]), row.data());
        if (token != ReadTokens::kNone) to[i] += std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
      }
    }
  });
  return result;
}

// Threads share out the columns, so that no two write to one number.
template <typename Value>
void add(const ReadTokens& read, const at::Tensor& samples, const at::Tensor& weights, at::Tensor sum) {
  const Reading<Value> all(read);
  const at::Tensor chosen = samples.contiguous(), factors = weights.contiguous();
  double* to = sum.data_ptr<double>();
  constexpr int64_t kColumns = 32;
  at::parallel_for(0, all.width, kColumns, [&](int64_t begin, int64_t end) {
    for (int64_t k = 0; k < chosen.size(0); ++k) {
      const int64_t i = chosen.data_ptr<int64_t>()[k];
      const double factor = factors.data_ptr<double>()[k];
      for (int64_t j = 0; j < all.count; ++j) {
        const int64_t token = all.token(i, j);
        if (token == ReadTokens::kNone) continue;
        add_scaled(all.row(i, j) + begin, end - begin, factor * all.weight(i, j),
                   to + token * sum.stride(0) + begin);
      }
    }
  });
}

}  // namespace

bool has_token_kernels(const ReadTokens& read) {
  return read.g.device().is_cpu() &&
         (read.g.scalar_type() == at::kFloat || read.g.scalar_type() == at::kDouble);
}

at::Tensor token_squares(const ReadTokens& read) {
  return read.g.scalar_type() == at::kFloat ? squares<float>(read) : squares<double>(read);
}

void add_tokens(const ReadTokens& read, const at::Tensor& samples, const at::Tensor& weights,
                at::Tensor sum) {
  if (read.g.scalar_type() == at::kFloat) {
    add<float>(read, samples, weights, sum);
  } else {
    add<double>(read, samples, weights, sum);
  }
}

}  // namespace discreet
