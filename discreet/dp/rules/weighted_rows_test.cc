#include "discreet/dp/rules/weighted_rows.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

using at::Tensor;

// weights[begin, end), of which every third is 0 and its row no number.
struct Case {
  Tensor x, weights;
};

Case rows_of(int64_t samples, int64_t columns, at::ScalarType type, double scale) {
  Case c{torch::randn({samples, columns}, type), torch::randn({samples}, at::kDouble) * scale};
  for (int64_t i = 2; i < samples; i += 3) {
    c.weights[i] = 0;
    c.x[i].fill_(std::nan(""));
  }
  return c;
}

// Number by number, in double; also of what each number may be off by, relative.
void expect_sum(const Case& c, const Tensor& x, int64_t begin, int64_t end) {
  const WeightedRows rows(c.weights, begin, end);
  const Tensor sum = rows.sum(x).to(at::kDouble).contiguous(), all = c.x.to(at::kDouble).contiguous();
  ASSERT_EQ(sum.sizes(), x.sizes().slice(1));
  const auto *weight = c.weights.data_ptr<double>(), *number = all.data_ptr<double>();
  const int64_t columns = all.size(1);
  for (int64_t j = 0; j < columns; ++j) {
    double expected = 0, size = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (i % 3 == 2) continue;
      expected += weight[i] * number[i * columns + j];
      size += std::abs(weight[i] * number[i * columns + j]);
    }
    ASSERT_NEAR(sum.data_ptr<double>()[j], expected, 1e-14 * size) << begin << " to " << end << ", " << j;
  }
}

TEST(WeightedRows, SumAsNumberByNumber) {
  torch::manual_seed(1);
  for (const auto type : {at::kFloat, at::kDouble})
    for (const double scale : {1.0, 1e-40})  // the latter: below what floats multiply
      for (const int64_t columns : {1, 5, 1023, 1025, 3000})
        for (const int64_t end : {2, 3, 4, 6, 7, 12, 19}) {
          const Case c = rows_of(19, columns, type, scale);
          expect_sum(c, c.x, 1, end);
          expect_sum(c, c.x.t().contiguous().t(), 1, end);
          if (columns % 5 == 0) expect_sum(c, c.x.view({19, 5, -1}), 1, end);
        }
}

TEST(WeightedRows, NoneOfWeight) {
  const Tensor x = torch::full({3, 4}, std::nan(""));
  const WeightedRows rows(torch::zeros({3}, at::kDouble), 0, 3);
  EXPECT_TRUE(rows.empty());
  EXPECT_TRUE(rows.sum(x).equal(torch::zeros({4}, at::kDouble)));
}

TEST(WeightedRows, ScaledOnesAreTheirProducts) {
  torch::manual_seed(2);
  // A weight that no float holds beside numbers that make up for it.
  const Tensor weights = torch::tensor({1e-50, 0.0, 0.5}, at::kDouble);
  Tensor x = torch::randn({3, 2, 4});
  x[0] *= 1e30;
  x[1].fill_(std::nan(""));
  const Tensor scaled = WeightedRows(weights, 0, 3).take_scaled(x);
  const Tensor used = torch::stack({x[0], x[2]}).to(at::kDouble);
  const Tensor expected = used * torch::tensor({1e-50, 0.5}, at::kDouble).view({2, 1, 1});
  ASSERT_EQ(scaled.scalar_type(), at::kFloat);
  EXPECT_LE((scaled - expected).abs().div(expected.abs()).max().item<double>(), 0x1p-23);
  EXPECT_TRUE(WeightedRows(weights, 1, 2).take_scaled(x).numel() == 0);
}

}  // namespace
}  // namespace discreet
