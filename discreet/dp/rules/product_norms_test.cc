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
  for (const int64_t m : {int64_t{1}, int64_t{6}, kMostTileRows, kMostTileRows + 1, int64_t{20}})
    for (const int64_t k : {int64_t{1}, int64_t{17}, int64_t{40}, wide, 2 * wide + 3})
      for (const int64_t t : {1, 7, 1024, 2500}) {
        const at::Tensor left = torch::randn({3, t, m}), right = torch::randn({3, t, k});
        const at::Tensor matrices = torch::full({3, k, m}, std::nan(""));
        expect_close(product_norms(StridedColumns(left), right, matrices).squared, expected(left, right));
        const at::Tensor products = right.transpose(1, 2).to(torch::kDouble).bmm(left.to(torch::kDouble));
        EXPECT_LE((matrices - products).norm().item<double>(), 1e-5 * products.norm().item<double>())
            << m << " " << k << " " << t;
      }
}

TEST(ProductNorms, OfAnyStrides) {
  torch::manual_seed(2);
  const at::Tensor time_first = torch::randn({9, 4, 70}).transpose(0, 1);      // [4, 9, 70]
  const at::Tensor channels_first = torch::randn({4, 13, 9}).transpose(1, 2);  // [4, 9, 13]
  const at::Tensor steps = torch::randn({4, 9, 2 * 33}).slice(2, 0, 66, 2);    // neither is dense
  const at::Tensor far = torch::randn({9, 4, 5000}).transpose(0, 1).slice(2, 0, 21);
  for (const at::Tensor& left : {channels_first, time_first, steps, far})
    for (const at::Tensor& right : {channels_first, time_first, steps, far}) {
      const ProductNorms norms = product_norms(StridedColumns(left), right);
      expect_close(norms.squared, expected(left, right));
      expect_close(norms.left, left.to(torch::kDouble).square().sum({1, 2}));
      expect_close(norms.right, right.to(torch::kDouble).square().sum({1, 2}));
    }
}

// A sample that is not finite is seen, and spoils no other.
TEST(ProductNorms, WithASampleThatIsNotFinite) {
  torch::manual_seed(3);
  at::Tensor left = torch::randn({3, 5, 8}), right = torch::randn({3, 5, 8});
  right[1][2][7] = INFINITY;
  const at::Tensor squared = product_norms(StridedColumns(left), right).squared;
  EXPECT_FALSE(squared[1].isfinite().item<bool>());
  for (const int64_t i : {0, 2}) expect_close(squared[i], expected(left, right)[i]);
}

// Squares of numbers that are no floats any more are doubles.
TEST(ProductNorms, OverAllScales) {
  for (const double scale : {1e-25, 1e25}) {
    const at::Tensor left = torch::full({1, 2, 3}, scale), right = torch::ones({1, 2, 3});
    expect_close(product_norms(StridedColumns(left), right).squared, expected(left, right));
  }
}

// The columns of two groups of two images each, by torch's own unfolding; with and without padding.
TEST(UnfoldedColumns, AreWhatAConvolutionReads) {
  torch::manual_seed(4);
  const int64_t samples = 3, images = 2, groups = 2, channels = 3;
  const at::Tensor x = torch::randn({samples * images, groups * channels, 9, 11});
  for (const int64_t pad : {0, 2}) {
    const int64_t height = pad == 0 ? 4 : 5, width = pad == 0 ? 8 : 10;
    const UnfoldedColumns unfolded(x, samples, groups, {3, 2}, {2, 1}, {pad / 2, pad / 2}, {1, 3},
                                   {height, width});
    ASSERT_EQ(unfolded.samples(), samples * groups);
    ASSERT_EQ(unfolded.positions(), images * height * width);
    ASSERT_EQ(unfolded.columns(), channels * 3 * 2);
    std::vector<float> space;
    for (int64_t sample = 0; sample < unfolded.samples(); ++sample) {
      const at::Tensor own = x.slice(0, sample / groups * images, (sample / groups + 1) * images)
                                 .slice(1, sample % groups * channels, (sample % groups + 1) * channels);
      const at::Tensor whole = torch::im2col(own, {3, 2}, {1, 3}, {pad / 2, pad / 2}, {2, 1})
                                   .transpose(1, 2)
                                   .flatten(0, 1)
                                   .contiguous();
      const float* base = unfolded.base(sample, &space);
      expect_close(torch::tensor(unfolded.squares(base), torch::kDouble),
                   own.to(torch::kDouble).square().sum());
      const PlacedColumns::Places& places = unfolded.places();
      for (int64_t position = 0; position < unfolded.positions(); ++position)
        for (int64_t column = 0; column < unfolded.columns(); ++column)
          ASSERT_EQ(base[places.starts[position / places.length] + position % places.length * places.step +
                         places.offsets[column]],
                    whole[position][column].item<float>())
              << pad << " " << sample << " " << position << " " << column;
    }
  }
}

}  // namespace
}  // namespace discreet
