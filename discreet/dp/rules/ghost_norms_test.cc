#include "discreet/dp/rules/ghost_norms.h"

#include <gtest/gtest.h>

#include "discreet/dp/rules/product_tile.h"
#include "discreet/dp/rules/unfolded_columns.h"

namespace discreet {
namespace {

using at::Tensor;

void expect_close(const Tensor& actual, const Tensor& truth) {
  EXPECT_LE(((actual - truth) / truth).abs().max().item<double>(), 1e-5);
}

// By whole products in double.
void expect_norms(const GhostNorms& norms, const Tensor& left, const Tensor& right) {
  const Tensor l = left.to(torch::kDouble), r = right.to(torch::kDouble);
  expect_close(norms.squared, l.transpose(1, 2).bmm(r).square().sum({1, 2}));
  expect_close(norms.left, l.square().sum({1, 2}));
  expect_close(norms.right, r.square().sum({1, 2}));
  expect_close(norms.lengths, (l.norm(2, 2) * r.norm(2, 2)).sum(1));
}

// Positions on both sides of a tile's width and rows, and more columns than are taken at a time.
TEST(GhostNorms, AreThoseOfWholeProducts) {
  torch::manual_seed(1);
  const int64_t wide = std::min<int64_t>(32, tile_columns().most);
  for (const int64_t t : {int64_t{1}, int64_t{2}, kMostTileRows + 1, wide, wide + 1, 3 * wide + 5})
    for (const int64_t m : {1, 7, 900})
      for (const int64_t k : {3, 64}) {
        const Tensor left = torch::randn({3, t, m}), right = torch::randn({3, t, k});
        SCOPED_TRACE(testing::Message() << t << " positions, " << m << " and " << k << " columns");
        expect_norms(ghost_norms(StridedColumns(left), StridedColumns(right)), left, right);
      }
}

TEST(GhostNorms, OfAnyStrides) {
  torch::manual_seed(2);
  const Tensor time_first = torch::randn({39, 4, 70}).transpose(0, 1);      // [4, 39, 70]
  const Tensor channels_first = torch::randn({4, 13, 39}).transpose(1, 2);  // [4, 39, 13]
  const Tensor steps = torch::randn({4, 39, 2 * 33}).slice(2, 0, 66, 2);    // neither is dense
  const Tensor far = torch::randn({39, 4, 5000}).transpose(0, 1).slice(2, 0, 21);
  for (const Tensor& left : {channels_first, time_first, steps, far})
    for (const Tensor& right : {channels_first, time_first, steps, far})
      expect_norms(ghost_norms(StridedColumns(left), StridedColumns(right)), left, right);
}

// What a convolution reads: two groups, two images each, steps and padding.
TEST(GhostNorms, OfUnfoldedImages) {
  torch::manual_seed(3);
  const int64_t samples = 3, images = 2, groups = 2, channels = 3, height = 5, width = 10;
  const Tensor x = torch::randn({samples * images, groups * channels, 9, 11});
  const UnfoldedColumns columns(x, samples, groups, {3, 2}, {2, 1}, {1, 1}, {1, 3}, {height, width});
  const Tensor unfolded = torch::im2col(x, {3, 2}, {1, 3}, {1, 1}, {2, 1})
                              .view({samples, images, groups, channels * 6, height * width})
                              .permute({0, 2, 1, 4, 3})
                              .reshape({samples * groups, images * height * width, channels * 6});
  const Tensor right = torch::randn({samples * groups, images * height * width, 8});
  expect_norms(ghost_norms(columns, StridedColumns(right)), unfolded, right);
}

// A sample that is not finite is seen, and spoils no other.
TEST(GhostNorms, WithASampleThatIsNotFinite) {
  torch::manual_seed(4);
  const Tensor left = torch::randn({3, 5, 8}), right = torch::randn({3, 5, 8});
  for (const float bad : {INFINITY, NAN}) {
    right[1][2][7] = bad;
    const GhostNorms norms = ghost_norms(StridedColumns(left), StridedColumns(right));
    EXPECT_FALSE(norms.squared[1].isfinite().item<bool>()) << bad;
    for (const int64_t i : {0, 2})
      expect_close(norms.squared[i],
                   left[i].t().to(torch::kDouble).mm(right[i].to(torch::kDouble)).square().sum());
  }
}

// Alternating positions cancel to nothing: never below 0.
TEST(GhostNorms, OfProductsThatCancel) {
  torch::manual_seed(5);
  Tensor sign = torch::ones({1, 40, 1});
  sign.slice(1, 1, 40, 2).fill_(-1);
  const Tensor left = torch::randn({50, 1, 9}) * sign, right = torch::randn({50, 1, 11}).expand({50, 40, 11});
  const GhostNorms norms = ghost_norms(StridedColumns(left), StridedColumns(right.contiguous()));
  EXPECT_GE(norms.squared.min().item<double>(), 0);
  EXPECT_LE((norms.squared / norms.lengths.square()).max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace discreet
