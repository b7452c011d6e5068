#include "discreet/dp/rules/outer_products.h"

#include <gtest/gtest.h>

#include <cmath>

namespace discreet {
namespace {

using at::Tensor;

constexpr double kNegligible = 0x1p-20;  // of an error that is not stated

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

Tensor squared(const Sides& s, NormWay way) {
  return outer::squared_norms(s.left, s.right, way).squared;
}

// Both ways are right, and round differently: by the bits one can tell which it was.
TEST(OuterProducts, TakeTheWayAskedFor) {
  torch::manual_seed(1);
  for (const auto type : {at::kFloat, at::kDouble})
    for (const int64_t t : {1, 2, 20})
      for (const int64_t width : {3, 40}) {
        Sides s = sides(9, t, width, width + 1, 1);
        s = {s.left.to(type), s.right.to(type)};
        const Tensor ghost = squared(s, NormWay::kGhost), direct = squared(s, NormWay::kDirect);
        EXPECT_FALSE(ghost.equal(direct)) << t << " " << width;
        for (const Tensor& found : {ghost, direct})
          EXPECT_LE(((found.sqrt() - norms(s)) / norms(s)).abs().max().item<double>(), 1e-5)
              << t << " " << width;
      }
}

TEST(OuterProducts, TakeTheCheaperWayByDefault) {
  torch::manual_seed(2);
  const auto default_is = [](const Sides& s, NormWay way) {
    EXPECT_TRUE(squared(s, NormWay::kAutomatic).equal(squared(s, way)));
  };
  default_is(sides(9, 64, 3, 4, 1), NormWay::kDirect);
  default_is(sides(9, 2, 60, 50, 1), NormWay::kGhost);
  default_is(sides(9, 1, 3, 4, 1), NormWay::kGhost);
  default_is(sides(9, 64, 512, 128, 1), NormWay::kGhost);
  default_is(sides(9, 512, 512, 128, 1), NormWay::kDirect);
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
          EXPECT_TRUE(((found.squared.sqrt() - truth).abs() <= bound).all().item<bool>())
              << t << " positions, width " << width << ", residue " << residue;
        }
}

// Products of 1e-50, which no float holds.
TEST(OuterProducts, CountWhatLeavesTheRangeOfFloats) {
  const Sides s{torch::full({1, 2, 3}, 1e-25f), torch::full({1, 2, 3}, 1e-25f)};
  const SquaredNorms found = outer::squared_norms(s.left, s.right, NormWay::kDirect);
  EXPECT_EQ(found.squared.item<double>(), 0);
  EXPECT_GE(found.error.item<double>(), norms(s).item<double>());
}

// The same of products between positions, of either side.
TEST(OuterProducts, CountWhatLeavesTheRangeOfFloatsBetweenPositions) {
  for (const double left : {1e-25, 1.0})
    for (const double right : {1e-25, 1.0}) {
      const Sides s{torch::full({1, 2, 3}, left, at::kFloat), torch::full({1, 2, 3}, right, at::kFloat)};
      const SquaredNorms found = outer::squared_norms(s.left, s.right, NormWay::kGhost);
      const double error = std::abs(found.squared.sqrt().item<double>() - norms(s).item<double>());
      EXPECT_GE(found.error.item<double>(), error) << left << " " << right;
    }
}

// Two kinds of rows, each 32 times, whose products all round the same way at every addition and nearly
// cancel.
TEST(OuterProducts, CountRoundingsOfFloatsThatAgree) {
  const int64_t t = 64, m = 4096;
  Tensor left = torch::full({1, t, m}, 921.f / 1024), right = torch::ones({1, t, 256});
  left.slice(1, t / 2).fill_(871.f / 1024);
  right.slice(1, t / 2).fill_(-1);
  const double truth = norms({left, right}).item<double>();
  EXPECT_NEAR(truth, 1600, 1e-6);
  for (const NormWay way : {NormWay::kGhost, NormWay::kDirect, NormWay::kAutomatic}) {
    const SquaredNorms found = outer::squared_norms(left, right, way);
    EXPECT_LE(std::abs(found.squared.sqrt().item<double>() - truth), found.error.item<double>());
  }
}

// What is stated for sums without cancellation is below where norms are made again in double (2^-12).
TEST(OuterProducts, TrustGhostNormsOfFloatsWherePositionsDoNotCancel) {
  torch::manual_seed(5);
  const Sides s{torch::randn({4, 64, 128}), torch::randn({4, 64, 512})};
  const SquaredNorms found = outer::squared_norms(s.left, s.right, NormWay::kGhost);
  EXPECT_LE((found.error / norms(s)).max().item<double>(), 0x1p-12);
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
  EXPECT_EQ(plan(NormWay::kAutomatic, t).way, "direct");  // 2 t (m + k) > m k
  EXPECT_EQ(plan(NormWay::kGhost, 1).way, "product of norms");
  EXPECT_EQ(plan(NormWay::kGhost, 1).flops, one);
  EXPECT_EQ(plan(NormWay::kAutomatic, 1).way, "product of norms");
  const RulePlan floats = outer::plan(NormWay::kGhost, at::kFloat, n, t, m, k);
  EXPECT_EQ(floats.way, "ghost, tile by tile");
  EXPECT_EQ(floats.flops, ghost * (t + 1) / (2 * t));  // each pair of positions once
  EXPECT_EQ(floats.bytes, 0);
  EXPECT_EQ(plan(NormWay::kDirect, 1).way, "direct");
}

}  // namespace
}  // namespace discreet
