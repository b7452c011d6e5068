#include "discreet/dp/rules/pair_norms.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/packed_positions.h"

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
  for (const int64_t t : {1, 2, 4, 7, 16, 17, 33, 47, 48, 70, 95})
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

// The first lane of a sum starts with 1, and each of 15 terms of 2^-24 in it is rounded away: nearly one
// rounding a term, as the bound has it.
TEST(PairNorms, ComeNearTheirBoundWhereEachSumRoundsTheSameWay) {
  for (const int64_t columns : {16 * 16, 16 * 16 + 1, 17 * 16, 32 * 16 + 1}) {
    Tensor x = torch::full({1, 2, columns}, 0x1p-12f);
    x.select(2, 0).fill_(1);
    EXPECT_GE(largest_share(x, x, std::to_string(columns)), 0.2) << columns;
  }
  // From packed positions the first column does, and a piece's others.
  for (const int64_t columns : {2, 31, 32, 33, 64, 65}) {
    Tensor x = torch::full({1, kManyPositions, columns}, 0x1p-12f);
    x.select(2, 0).fill_(1);
    EXPECT_GE(largest_share(x, x, std::to_string(columns)), 0.2) << columns;
  }
}

double product_error(int64_t positions, int64_t columns) {
  return sum_error(positions >= kManyPositions ? packed_roundings(columns) : position_roundings(columns));
}

// The bound's terms, in double, from that alone.
TEST(PairNorms, StateTheBoundOfTheirProducts) {
  torch::manual_seed(7);
  for (const auto& [t, m, k] :
       std::vector<std::array<int64_t, 3>>{{3, 5, 700}, {64, 128, 512}, {40, 300, 20}}) {
    const Tensor left = torch::randn({2, t, m}), right = torch::randn({2, t, k}) + 0.3;
    const Tensor l = left.to(torch::kDouble), r = right.to(torch::kDouble);
    const Tensor of_left = l.norm(2, {2}, true), of_right = r.norm(2, {2}, true);
    const Tensor bound =
        (product_error(t, m) * of_left.bmm(of_left.transpose(1, 2)) * r.bmm(r.transpose(1, 2)).abs() +
         product_error(t, k) * of_right.bmm(of_right.transpose(1, 2)) * l.bmm(l.transpose(1, 2)).abs())
            .sum({1, 2});
    const Tensor stated = pair_norms(left, right).squared_error / bound;
    EXPECT_GE(stated.min().item<double>(), 1) << t;
    EXPECT_LE(stated.max().item<double>(), 1.01) << t;
  }
}

// What floats lose below their range, on either side.
TEST(PairNorms, CountWhatLeavesTheRangeOfFloats) {
  for (const bool swap : {false, true}) {
    const Tensor small = torch::full({1, 3, 40}, 1e-23f), large = torch::full({1, 3, 40}, 1e10f);
    const PairNorms norms = swap ? pair_norms(large, small) : pair_norms(small, large);
    EXPECT_EQ(norms.squared.item<double>(), 0);
    EXPECT_GE(norms.squared_error.item<double>(), expected(small, large).item<double>());
  }
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

// As each by itself, on both sides of what is packed.
TEST(PairNorms, OfSeveralRightFactors) {
  torch::manual_seed(8);
  for (const int64_t t : {5, 20, 64}) {
    const Tensor left = torch::randn({3, t, 70});
    const std::vector<Tensor> rights{torch::randn({3, t, 33}), torch::randn({t, 3, 9}).transpose(0, 1),
                                     torch::randn({3, t, 0})};
    const std::vector<PairNorms> joint = pair_norms(left, rights);
    ASSERT_EQ(joint.size(), rights.size());
    for (size_t i = 0; i < rights.size(); ++i) {
      const PairNorms alone = pair_norms(left, rights[i]);
      EXPECT_TRUE(joint[i].squared.equal(alone.squared)) << t << " " << i;
      EXPECT_TRUE(joint[i].squared_error.equal(alone.squared_error)) << t << " " << i;
      EXPECT_TRUE(joint[i].left.equal(alone.left) && joint[i].right.equal(alone.right)) << t << " " << i;
      EXPECT_LE((joint[i].squared - expected(left, rights[i])).abs().max().item<double>(),
                joint[i].squared_error.max().item<double>());
    }
  }
}

// A sample that is not finite is seen, and spoils no other.
TEST(PairNorms, WithASampleThatIsNotFinite) {
  torch::manual_seed(5);
  for (const double bad : {HUGE_VAL, std::nan("")}) {
    Tensor left = torch::randn({3, 5, 8}), right = torch::randn({3, 5, 8});
    right[1][2][7] = bad;
    const PairNorms norms = pair_norms(left, right);
    EXPECT_FALSE(norms.squared_error[1].isfinite().item<bool>() && norms.squared[1].isfinite().item<bool>());
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
