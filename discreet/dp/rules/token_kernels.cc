#include "discreet/dp/rules/token_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "discreet/dp/on_device.h"
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
        width(g.size(2)),
        of_tokens(tokens.data_ptr<int64_t>()),
        of_positions(positions.data_ptr<int64_t>()),
        of_weights(weights.defined() ? weights.data_ptr<double>() : nullptr),
        of_g(g.data_ptr<Value>()) {}

  int64_t token(int64_t sample, int64_t j) const { return of_tokens[sample * count + j]; }
  double weight(int64_t sample, int64_t j) const {
    return of_weights != nullptr ? of_weights[sample * count + j] : 1;
  }
  const Value* row(int64_t sample, int64_t j) const {
    return of_g + (sample * rows + of_positions[sample * count + j]) * width;
  }

  at::Tensor tokens, positions, weights, g;
  int64_t count, rows, width;
  const int64_t *of_tokens, *of_positions;
  const double* of_weights;
  const Value* of_g;
};

DISCREET_VECTOR_CLONES void add_row(const double* __restrict from, int64_t count, double by,
                                    float* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] += static_cast<float>(by * from[i]);
}

DISCREET_VECTOR_CLONES void add_row(const double* __restrict from, int64_t count, double by,
                                    double* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] += by * from[i];
}

DISCREET_VECTOR_CLONES double sum_of_squares(const double* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane] * x[i + lane];
  for (; i < count; ++i) lanes[0] += x[i] * x[i];
  return std::accumulate(lanes, lanes + kLanes, 0.0);
}

// Calls each(token, row) for every token of sample i, in ascending order: columns [begin, end) of what the
// sample adds to the token's row, in double.
template <typename Value>
class SumsByToken {
 public:
  SumsByToken(const Reading<Value>& all, int64_t begin, int64_t end)
      : all_(all), begin_(begin), order_(all.count), row_(end - begin) {}

  template <typename Each>
  void visit(int64_t i, const Each& each) {
    std::iota(order_.begin(), order_.end(), int64_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](int64_t a, int64_t b) { return all_.token(i, a) < all_.token(i, b); });
    for (int64_t j = 0; j < all_.count;) {
      const int64_t token = all_.token(i, order_[j]);
      std::fill(row_.begin(), row_.end(), 0.0);
      for (; j < all_.count && all_.token(i, order_[j]) == token; ++j)
        if (token != ReadTokens::kNone)
          add_scaled(all_.row(i, order_[j]) + begin_, static_cast<int64_t>(row_.size()),
                     all_.weight(i, order_[j]), row_.data());
      if (token != ReadTokens::kNone) each(token, row_);
    }
  }

 private:
  const Reading<Value>& all_;
  int64_t begin_;
  std::vector<int64_t> order_;
  std::vector<double> row_;
};

template <typename Value>
at::Tensor squares(const ReadTokens& read) {
  const Reading<Value> all(read);
  const int64_t samples = all.tokens.size(0);
  at::Tensor result = at::zeros({samples}, at::kDouble);
  double* to = result.data_ptr<double>();
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, all.count * all.width));
  at::parallel_for(0, samples, grain, [&](int64_t begin, int64_t end) {
    SumsByToken<Value> sums(all, 0, all.width);
    for (int64_t i = begin; i < end; ++i)
      sums.visit(i, [&](int64_t, const std::vector<double>& row) {
        to[i] += sum_of_squares(row.data(), all.width);
      });
  });
  return result;
}

// Threads share out the columns, so that no two write to one number.
template <typename Value, typename Sum>
void add(const ReadTokens& read, const at::Tensor& samples, const at::Tensor& weights,
         const at::Tensor& sum) {
  const Reading<Value> all(read);
  const at::Tensor chosen = samples.contiguous(), factors = weights.contiguous();
  Sum* to = sum.data_ptr<Sum>();
  constexpr int64_t kColumns = 32;
  at::parallel_for(0, all.width, kColumns, [&](int64_t begin, int64_t end) {
    SumsByToken<Value> sums(all, begin, end);
    for (int64_t k = 0; k < chosen.size(0); ++k) {
      const double factor = factors.data_ptr<double>()[k];
      sums.visit(chosen.data_ptr<int64_t>()[k], [&](int64_t token, const std::vector<double>& row) {
        add_row(row.data(), end - begin, factor, to + token * sum.stride(0) + begin);
      });
    }
  });
}

}  // namespace

bool has_token_kernels(const ReadTokens& read) {
  return !is_on_device(read.g) && (read.g.scalar_type() == at::kFloat || read.g.scalar_type() == at::kDouble);
}

at::Tensor token_squares(const ReadTokens& read) {
  return read.g.scalar_type() == at::kFloat ? squares<float>(read) : squares<double>(read);
}

void add_tokens(const ReadTokens& read, const at::Tensor& samples, const at::Tensor& weights,
                const at::Tensor& sum) {
  const bool of_floats = read.g.scalar_type() == at::kFloat;
  if (sum.scalar_type() == at::kFloat) {
    of_floats ? add<float, float>(read, samples, weights, sum)
              : add<double, float>(read, samples, weights, sum);
  } else {
    of_floats ? add<float, double>(read, samples, weights, sum)
              : add<double, double>(read, samples, weights, sum);
  }
}

}  // namespace discreet
