// Norms that a rule is not certain of: what the unit adds stays within the sensitivity.
#include <gtest/gtest.h>

#include <cmath>

#include "discreet/dp/clip.h"

namespace discreet {
namespace {

using at::Tensor;

// Says a tenth of each sample's square, and that it may be wrong by the rest.
struct Uncertain : Gradients {
  explicit Uncertain(const Tensor& made) : rows(made.to(torch::kDouble)) {}
  SquaredNorms squared_norms() override {
    const Tensor squared = rows.square().sum(1);
    return {squared * 0.1, {}, squared * 0.9};
  }
  void add_weighted(const Tensor& weights, int64_t begin, int64_t end, Tensor sum) override {
    for (int64_t i = begin; i < end; ++i) sum.add_(rows[i], weights[i].item<double>());
  }
  Tensor gradient(int64_t begin, int64_t end) override { return rows.slice(0, begin, end).sum(0); }
  Tensor rows;
};

const Rule kUncertain{
    "uncertain", "AddBackward0", [](libtorch::Node&, uint32_t, const Layout&) { return std::string(); },
    [](libtorch::Node&, uint32_t, const Tensor& g, const Layout&) -> std::unique_ptr<Gradients> {
      return std::make_unique<Uncertain>(g);
    }};

double norm_of_sum(const std::vector<TrainedParameter>& parameters, const Tensor& out, const Tensor& g) {
  Clipper clipper(parameters, 1.0, {}, {.rules = {kUncertain}});
  clipper.add(out, g);
  double squared = 0;
  for (const Tensor& part : clipper.take().tensors()) squared += part.square().sum().item<double>();
  return std::sqrt(squared);
}

TEST(UncertainNorms, AreComputedAgain) {
  const Tensor b = torch::zeros({3}).requires_grad_();
  for (const double size : {0.5, 1.5, 2., 100.}) {
    const Tensor g = torch::full({1, 3}, size / std::sqrt(3.));
    EXPECT_NEAR(norm_of_sum({{"b", b}}, torch::ones({1, 3}) + b, g), std::min(size, 1.), 1e-3) << size;
  }
}

// The fast norms alone could not pass the clip, whatever their error: with the function's part they do.
TEST(UncertainNorms, AreComputedAgainBesideAnExactPart) {
  const Tensor b = torch::zeros({3}).requires_grad_();
  const Tensor w = torch::full({3}, std::log(std::sqrt(0.9))).requires_grad_();
  const Tensor g = torch::full({1, 3}, 1 / std::sqrt(3.));
  EXPECT_NEAR(norm_of_sum({{"b", b}, {"w", w}}, torch::ones({1, 3}) + b + w.exp(), g), 1, 1e-3);
}

// 1e-330 is no double, and 1e290 is: a product of squares says 0 of a gradient of 1e-20.
TEST(HiddenNorms, OfDoublesWhoseSquaresVanish) {
  const Tensor w = torch::ones({1, 1}, torch::kDouble).requires_grad_();
  const double clip = 1e-30;
  Clipper clipper({{"w", w}}, clip);
  clipper.add(torch::full({1, 1}, 1e-165, torch::kDouble).mm(w), torch::full({1, 1}, 1e145, torch::kDouble));
  EXPECT_NEAR(clipper.take().tensors()[0].item<double>() / clip, 1, 1e-3);
}

}  // namespace
}  // namespace discreet
