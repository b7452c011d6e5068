#include "discreet/dp/rules/outer_products.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

using at::Tensor;

constexpr double kNegligible = 0x1p-20;

struct Sides {
  Tensor left, right;
};

// Positions that nearly cancel where `residue` is small.
Sides sides(int64_t n, int64_t t, int64_t m, int64_t k, double residue) {
  Tensor sign = torch::ones({1, t, 1});
  sign.slice(1, 1, t, 2).fill_(-1);
  return {torch::randn({n, 1, m}) * sign, torch::randn({n, 1, k}) + torch::randn({n, t, k}) * residue};
}

// Norms by products in double.
Tensor norms(const Sides& s) {
  return s.left.to(at::kDouble).transpose(1, 2).bmm(s.right.to(at::kDouble)).norm(2, {1, 2});
}

double largest_error(const Sides& s, NormWay way) {
  const Tensor truth = norms(s);
  return ((outer::squared_norms(s.left, s.right, way).squared.sqrt() - truth) / truth)
      .abs()
      .max()
      .item<double>();
}

// Whether they come from products between positions in floats, which says so.
bool by_pairs(const Sides& s, NormWay way) {
  return outer::squared_norms(s.left, s.right, way).squared_error.defined();
}

TEST(OuterProducts, TakeTheWayAskedFor) {
  torch::manual_seed(1);
  for (const int64_t width : {3, 40}) {
    for (const int64_t t : {2, 20}) {
      const Sides s = sides(9, t, width, width + 1, 1);
      EXPECT_TRUE(by_pairs(s, NormWay::kGhost));
      EXPECT_FALSE(by_pairs(s, NormWay::kDirect));
    }
    // The product of the norms is as good as doubles are, the norm of the product as floats are.
    const Sides one = sides(9, 1, width, width + 1, 1);
    EXPECT_LE(largest_error(one, NormWay::kGhost), 1e-12);
    EXPECT_GE(largest_error(one, NormWay::kDirect), 1e-11);
  }
}

TEST(OuterProducts, TakeTheWayAskedForInDouble) {
  torch::manual_seed(1);
  Sides s = sides(9, 20, 40, 30, 1e-5);
  s = {s.left.to(at::kDouble), s.right.to(at::kDouble)};
  EXPECT_FALSE(by_pairs(s, NormWay::kGhost));
  EXPECT_GE(largest_error(s, NormWay::kGhost), 1e-9);  // ghost norms lose twice the digits that cancel
  EXPECT_LE(largest_error(s, NormWay::kDirect), 1e-10);
}

TEST(OuterProducts, TakeTheCheaperWayByDefault) {
  torch::manual_seed(2);
  EXPECT_FALSE(by_pairs(sides(9, 64, 3, 4, 1), NormWay::kAutomatic));
  EXPECT_TRUE(by_pairs(sides(9, 2, 60, 50, 1), NormWay::kAutomatic));
  EXPECT_LE(largest_error(sides(9, 1, 3, 4, 1), NormWay::kAutomatic), 1e-12);
}

// A sample of four whose positions cancel goes the direct way.
TEST(OuterProducts, TakeTheDirectWayWherePairsCancel) {
  torch::manual_seed(3);
  Sides s{torch::randn({4, 64, 60}), torch::randn({4, 64, 50})};
  const Sides cancels = sides(1, 64, 60, 50, 1e-5);
  s.left[2].copy_(cancels.left[0]);
  s.right[2].copy_(cancels.right[0]);
  const SquaredNorms found = outer::squared_norms(s.left, s.right, NormWay::kGhost);
  const Tensor truth = norms(s);
  EXPECT_LE(((found.squared.sqrt() - truth) / truth).abs().max().item<double>(), 1e-4);
  EXPECT_EQ((found.squared_error > 0).sum().item<int64_t>(), 3);
  EXPECT_EQ(found.squared_error[2].item<double>(), 0);
}

TEST(OuterProducts, KeepToTheErrorThatTheyState) {
  torch::manual_seed(3);
  for (const NormWay way : {NormWay::kAutomatic, NormWay::kGhost, NormWay::kDirect})
    for (const int64_t t : {1, 2, 64})
      for (const int64_t width : {3, 100})
        for (const double residue : {1.0, 1e-3, 1e-6}) {
          const Sides s = sides(4, t, width, width, residue);
          const Tensor truth = norms(s);
          const SquaredNorms found = outer::squared_norms(s.left, s.right, way);
          const Tensor bound = found.error.defined() ? found.error : truth * kNegligible;
          const Tensor of_square =
              found.squared_error.defined() ? found.squared_error : torch::zeros_like(bound);
          EXPECT_TRUE(((found.squared - of_square).sqrt() - bound <= truth).all().item<bool>() &&
                      (truth <= (found.squared + of_square).sqrt() + bound).all().item<bool>())
              << t << " positions, width " << width << ", residue " << residue;
        }
}

// What an adapter has: sums come from the matrices of which the norms were taken, whichever side is narrow.
TEST(OuterProducts, SumMatricesThatTheyKept) {
  torch::manual_seed(4);
  for (const auto& [m, k] : {std::pair<int64_t, int64_t>{2, 30}, {30, 2}, {3, 3}}) {
    const Sides s = sides(5, 20, m, k, 1);
    s.left[3].fill_(std::nan(""));  // of weight 0
    OuterProducts products(s.left, s.right);
    EXPECT_EQ(products.plan()->bytes, 5 * m * k * 4) << m;
    const Tensor squared = products.squared_norms().squared, truth = norms(s).square();
    EXPECT_TRUE(std::isnan(squared[3].item<double>()));
    EXPECT_LE((squared - truth).slice(0, 0, 3).abs().max().item<double>(), 1e-4 * truth[0].item<double>());
    for (const double tiny : {1.0, 1e-30}) {
      const Tensor weights = torch::tensor({0.5, 0.25, 2.0, 0.0, 1.0}, at::kDouble) * tiny;
      Tensor expected = torch::zeros({m, k}, at::kDouble);
      for (const int64_t i : {1, 2, 4}) expected += products.gradient(i, i + 1) * weights[i];
      const Tensor written = torch::full({m, k}, std::nan("")),
                   added = torch::ones({m, k}, at::kDouble) * tiny;
      EXPECT_TRUE(products.write_weighted(weights, 1, 5, written));
      products.add_weighted(weights, 1, 5, added);
      EXPECT_LE((written - expected).norm().item<double>(), 1e-5 * expected.norm().item<double>()) << m;
      EXPECT_LE((added - tiny - expected).norm().item<double>(), 1e-5 * expected.norm().item<double>()) << m;
    }
  }
}

TEST(OuterProducts, SumGroups) {
  const Tensor x = torch::arange(6, at::kDouble), sums = torch::tensor({1., 5., 9.}, at::kDouble);
  const SquaredNorms sum = outer::sum_groups({x, 2 * x, 3 * x}, 2);
  EXPECT_TRUE(sum.squared.equal(sums));
  EXPECT_TRUE(sum.error.equal(2 * sums));
  EXPECT_TRUE(sum.squared_error.equal(3 * sums));
  EXPECT_FALSE(outer::sum_groups({x, {}}, 2).error.defined());
}

// Products of 1e-50, which no float holds.
TEST(OuterProducts, CountWhatLeavesTheRangeOfFloats) {
  const Sides s{torch::full({1, 2, 3}, 1e-25f), torch::full({1, 2, 3}, 1e-25f)};
  const SquaredNorms found = outer::squared_norms(s.left, s.right, NormWay::kDirect);
  EXPECT_EQ(found.squared.item<double>(), 0);
  EXPECT_GE(found.error.item<double>(), norms(s).item<double>());
}

// Operations of loops that do it one number at a time.
TEST(OuterProducts, PlanTheOperationsOfTheWay) {
  const int64_t n = 5, t = 3, m = 7, k = 4;
  double ghost = 0, direct = 0, one = 0;
  for (int64_t sample = 0; sample < n; ++sample) {
    for (int64_t a = 0; a < t; ++a)
      for (int64_t b = 0; b < t; ++b) {
        for (int64_t i = 0; i < m; ++i) ghost += 2;  // left[a, i] * left[b, i], added
        for (int64_t j = 0; j < k; ++j) ghost += 2;
        ghost += 2;  // their product, added
      }
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < k; ++j) {
        for (int64_t a = 0; a < t; ++a) direct += 2;
        direct += 2;  // its square, added
      }
    one += 2 * m + 2 * k + 1;  // squares of both sides, added, and a product
  }
  const auto plan = [&](NormWay way, int64_t positions) {
    return outer::plan(way, at::kDouble, n, positions, m, k);
  };
  EXPECT_EQ(plan(NormWay::kGhost, t).way, "ghost");
  EXPECT_EQ(plan(NormWay::kGhost, t).flops, ghost);
  EXPECT_EQ(plan(NormWay::kDirect, t).way, "direct");
  EXPECT_EQ(plan(NormWay::kDirect, t).flops, direct);
  EXPECT_EQ(plan(NormWay::kDirect, t).bytes, n * m * k * 8);
  EXPECT_EQ(plan(NormWay::kAutomatic, t).way, "direct");                        // 2 t (m + k) > m k
  const RulePlan pairs = outer::plan(NormWay::kGhost, at::kFloat, n, t, m, k);  // each pair once
  EXPECT_EQ(pairs.way, "ghost, pair by pair");
  EXPECT_EQ(pairs.flops, ghost / static_cast<double>(t) * static_cast<double>(t + 1) / 2);
  EXPECT_EQ(plan(NormWay::kGhost, 1).way, "product of norms");
  EXPECT_EQ(plan(NormWay::kGhost, 1).flops, one);
  EXPECT_EQ(plan(NormWay::kAutomatic, 1).way, "product of norms");
  EXPECT_EQ(plan(NormWay::kDirect, 1).way, "direct");
}

}  // namespace
}  // namespace discreet
