#include "discreet/dp/rules/product_norms.h"

#include <gtest/gtest.h>

#include "discreet/dp/rules/product_tile.h"
#include "discreet/dp/rules/unfolded_columns.h"

namespace discreet {
namespace {

// Squared norms by whole products in double.
at::Tensor expected(const at::Tensor& left, const at::Tensor& right) {
  return left.to(torch::kDouble).transpose(1, 2).bmm(right.to(torch::kDouble)).square().sum({1, 2});
}

void expect_close(const at::Tensor& actual, const at::Tensor& truth) {
  EXPECT_LE(((actual - truth) / truth).abs().max().item<double>(), 1e-5);
}

// Sizes on both sides of a tile's, and more positions than are taken at a time.
TEST(ProductNorms, AreThoseOfWholeProducts) {
  torch::manual_seed(1);
  const int64_t wide = tile_columns().most;
  for (const int64_t m : {int64_t{1}, kTileRows, kTileRows + 1, int64_t{20}})
    for (const int64_t k : {int64_t{1}, int64_t{17}, wide, 2 * wide + 3})
      for (const int64_t t : {1, 7, 1024, 2500}) {
        const at::Tensor left = torch::randn({3, t, m}), right = torch::randn({3, t, k});
        const at::Tensor matrices = torch::full({3, m, k}, std::nan(""));
        expect_close(squared_product_norms(StridedColumns(left), StridedColumns(right), matrices),
                     expected(left, right));
        const at::Tensor products = left.transpose(1, 2).to(torch::kDouble).bmm(right.to(torch::kDouble));
        EXPECT_LE((matrices - products).norm().item<double>(), 1e-5 * products.norm().item<double>())
            << m << " " << k << " " << t;
      }
}

TEST(ProductNorms, OfAnyStrides) {
  torch::manual_seed(2);
  const at::Tensor time_first = torch::randn({9, 4, 70}).transpose(0, 1);      // [4, 9, 70]
  const at::Tensor channels_first = torch::randn({4, 13, 9}).transpose(1, 2);  // [4, 9, 13]
  expect_close(squared_product_norms(StridedColumns(channels_first), StridedColumns(time_first)),
               expected(channels_first, time_first));
}

// A sample that is not finite is seen, and spoils no other.
TEST(ProductNorms, WithASampleThatIsNotFinite) {
  torch::manual_seed(3);
  at::Tensor left = torch::randn({3, 5, 8}), right = torch::randn({3, 5, 8});
  right[1][2][7] = INFINITY;
  const at::Tensor squared = squared_product_norms(StridedColumns(left), StridedColumns(right));
  EXPECT_FALSE(squared[1].isfinite().item<bool>());
  for (const int64_t i : {0, 2}) expect_close(squared[i], expected(left, right)[i]);
}

// Squares of numbers that are no floats any more are doubles.
TEST(ProductNorms, OverAllScales) {
  for (const double scale : {1e-25, 1e25}) {
    const at::Tensor left = torch::full({1, 2, 3}, scale), right = torch::ones({1, 2, 3});
    expect_close(squared_product_norms(StridedColumns(left), StridedColumns(right)), expected(left, right));
  }
}

// The columns of two groups of two images each, by torch's own unfolding.
TEST(UnfoldedColumns, AreWhatAConvolutionReads) {
  torch::manual_seed(4);
  const int64_t samples = 3, images = 2, groups = 2, channels = 3;
  const at::Tensor x = torch::randn({samples * images, groups * channels, 9, 11});
  const UnfoldedColumns unfolded(x, samples, groups, {3, 2}, {2, 1}, {1, 3}, {4, 8});
  ASSERT_EQ(unfolded.samples(), samples * groups);
  ASSERT_EQ(unfolded.positions(), images * 4 * 8);
  ASSERT_EQ(unfolded.columns(), channels * 3 * 2);
  for (int64_t sample = 0; sample < unfolded.samples(); ++sample) {
    const int64_t first = 4, count = 9, width = 16, begin = 5, end = 60;
    at::Tensor part = torch::full({end - begin, width}, std::nan(""));
    unfolded.copy(sample, begin, end, first, count, width, part.data_ptr<float>());
    const at::Tensor own = x.slice(0, sample / groups * images, (sample / groups + 1) * images)
                               .slice(1, sample % groups * channels, (sample % groups + 1) * channels);
    const at::Tensor whole = torch::im2col(own, {3, 2}, {1, 3}, {0, 0}, {2, 1}).transpose(1, 2).flatten(0, 1);
    EXPECT_TRUE(
        torch::equal(part.slice(1, 0, count), whole.slice(0, begin, end).slice(1, first, first + count)));
    EXPECT_EQ(part.slice(1, count).abs().sum().item<float>(), 0);
  }
}

}  // namespace
}  // namespace discreet
