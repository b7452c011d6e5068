#include "discreet/dp/rules/pair_norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/position_pairs.h"

namespace discreet {
namespace {

using at::Tensor;

// Squared norms by whole products in double.
Tensor expected(const Tensor& left, const Tensor& right) {
  return left.to(torch::kDouble).transpose(1, 2).bmm(right.to(torch::kDouble)).square().sum({1, 2});
}

// The largest error over its bound; the bounds hold.
double largest_share(const Tensor& left, const Tensor& right, const std::string& name) {
  const PairNorms norms = pair_norms(left, right);
  const Tensor off = (norms.squared - expected(left, right)).abs();
  EXPECT_TRUE((off <= norms.squared_error).all().item<bool>()) << name << ": " << off << norms.squared_error;
  for (const auto& [found, factor] : {std::pair(norms.left, left), std::pair(norms.right, right)}) {
    const Tensor truth = factor.to(torch::kDouble).square().sum({1, 2});
    EXPECT_TRUE((found >= truth).all().item<bool>()) << name;
    EXPECT_LE((found - truth * (1 + 1e-4)).max().item<double>(), 1e-30) << name;
  }
  return (off / norms.squared_error).max().item<double>();
}

// Sizes on both sides of a tile's, a panel's, a vector's and a piece's.
TEST(PairNorms, AreThoseOfWholeProducts) {
  torch::manual_seed(1);
  for (const int64_t t : {1, 2, 4, 7, 16, 17, 33, 70})
    for (const int64_t m : {1, 5, 16, 130, 300})
      for (const int64_t k : {3, 128, 700}) {
        const Tensor left = torch::randn({3, t, m}), right = torch::randn({3, t, k});
        const std::string name = std::to_string(t) + " " + std::to_string(m) + " " + std::to_string(k);
        largest_share(left, right, name);
        const Tensor truth = expected(left, right);
        EXPECT_LE(((pair_norms(left, right).squared - truth) / truth).abs().max().item<double>(), 1e-4)
            << name;
      }
}

// Of numbers as layers have them the bounds are small enough to be of use: with no common direction, or with
// one in a factor.
TEST(PairNorms, AreExactEnoughWherePositionsDoNotCancel) {
  torch::manual_seed(2);
  for (const double common : {0., 1.}) {
    const Tensor left = torch::randn({20, 64, 128}), right = torch::randn({20, 64, 512}) + common;
    const PairNorms norms = pair_norms(left, right);
    EXPECT_LE((norms.squared_error / norms.squared).max().item<double>(), outer::kPairError) << common;
  }
}

TEST(PairNorms, KnowWhatCancels) {
  torch::manual_seed(3);
  for (const double residue : {1e-1, 1e-3, 1e-5, 1e-7, 0.}) {
    const int64_t t = 64;
    Tensor sign = torch::ones({1, t, 1});
    sign.slice(1, 1, t, 2).fill_(-1);
    const Tensor left = (torch::randn({4, 1, 300}) * sign).contiguous();
    const Tensor right = torch::randn({4, 1, 200}) + torch::randn({4, t, 200}) * residue;
    largest_share(left, right, std::to_string(residue));
  }
}

// Sums of equal terms round the same way again and again: some come near the bound, which is not loose by
// orders of magnitude.
TEST(PairNorms, KeepToTheirBoundWhereEachSumRoundsAlike) {
  double largest = 0;
  for (const int64_t columns : {128, 512, 4096})
    for (int i = 0; i < 200; ++i) {
      const double x = 1 + i / 211.;
      largest = std::max(largest, largest_share(torch::full({1, 3, columns}, x), torch::full({1, 3, 1}, 1.),
                                                std::to_string(columns) + ", " + std::to_string(x)));
    }
  EXPECT_GE(largest, 0.02);
}

TEST(PairNorms, OfAnyStrides) {
  torch::manual_seed(4);
  const Tensor time_first = torch::randn({9, 4, 70}).transpose(0, 1);      // [4, 9, 70]
  const Tensor channels_first = torch::randn({4, 13, 9}).transpose(1, 2);  // [4, 9, 13]
  const Tensor steps = torch::randn({4, 9, 2 * 33}).slice(2, 0, 66, 2);    // neither is dense
  const Tensor same = torch::randn({1, 1, 21}).expand({4, 9, 21});
  for (const Tensor& left : {channels_first, time_first, steps, same})
    for (const Tensor& right : {channels_first, time_first, steps, same})
      largest_share(left, right, "strides");
}

// A sample that is not finite is seen, and spoils no other.
TEST(PairNorms, WithASampleThatIsNotFinite) {
  torch::manual_seed(5);
  for (const double bad : {HUGE_VAL, std::nan("")}) {
    Tensor left = torch::randn({3, 5, 8}), right = torch::randn({3, 5, 8});
    right[1][2][7] = bad;
    const PairNorms norms = pair_norms(left, right);
    EXPECT_FALSE((norms.squared_error <= norms.squared)[1].item<bool>());
    for (const int64_t i : {0, 2})
      EXPECT_NEAR(norms.squared[i].item<double>(), expected(left, right)[i].item<double>(), 1e-3);
  }
}

// Products that no float holds: the bound says so.
TEST(PairNorms, OverAllScales) {
  torch::manual_seed(6);
  const Tensor left = torch::randn({3, 6, 40}), right = torch::randn({3, 6, 30});
  for (const double scale : {1e-40, 1e-25, 1e-21, 1e-15, 1e15})
    largest_share(left, right * scale, std::to_string(scale));
  EXPECT_FALSE(std::isfinite(pair_norms(left, right * 1e25).squared_error.sum().item<double>()));
}

}  // namespace
}  // namespace discreet
