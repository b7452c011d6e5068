// The rules that have two ways to the norms take the one that they are told, and say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "discreet/dp/graph.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::StartsWith;

struct Case {
  std::string name;
  std::vector<int64_t> weight, input;  // of one sample
  std::function<Tensor(Tensor x, Tensor w)> forward;
  bool one_position = false;
  bool inexact = false;  // 400 positions of two columns: the bound on ghost norms is too large
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

std::vector<Case> cases() {
  const auto linear = [](Tensor x, Tensor w) { return torch::matmul(x, w.t()); };
  const auto grouped = [](Tensor x, Tensor w) { return torch::conv2d(x, w, {}, 1, 1, 1, 2); };
  return {{"linear", {7, 5}, {6, 5}, linear},
          {"one_position", {7, 5}, {5}, linear, true},
          {"side_by_side",
           {3, 5, 4},
           {3, 6, 5},
           [](Tensor x, Tensor w) {
             return torch::einsum("ngti,gio->ngto", {x, w});
           }},
          {"convolution", {4, 3, 3, 3}, {3, 6, 6}, [](Tensor x, Tensor w) { return torch::conv2d(x, w); }},
          {"convolution_of_large_images", {4, 8, 3, 3}, {16, 22, 22}, grouped, false, true}};
}

class Ways : public testing::TestWithParam<Case> {
 protected:
  static constexpr int64_t kSamples = 6;

  Ways() {
    torch::manual_seed(6);
    std::vector<int64_t> shape = GetParam().input;
    shape.insert(shape.begin(), kSamples);
    x_ = torch::randn(shape);
    w_ = torch::randn(GetParam().weight).requires_grad_();
    out_ = GetParam().forward(x_, w_);
    g_ = torch::randn(out_.sizes());
  }

  // From the graph, as the engine asks for them.
  std::unique_ptr<Gradients> gradients(NormWay way) {
    at::NoGradGuard no_grad;
    for (const UseNode& node : find_uses(out_, {{"w", w_}})) {
      if (node.uses.empty()) continue;
      const Tensor own = libtorch::gradients_at(out_, g_, {{node.node, 0}})[0];
      auto result = node.rule->gradients(*node.node, node.uses[0].input, own, node.layout);
      result->choose(way);
      return result;
    }
    return nullptr;
  }

  // One sample at a time, in double.
  Tensor norms() {
    const Tensor w = w_.detach().to(at::kDouble).requires_grad_();
    std::vector<Tensor> result;
    for (int64_t i = 0; i < kSamples; ++i) {
      const Tensor out = GetParam().forward(x_.slice(0, i, i + 1).to(at::kDouble), w);
      result.push_back(torch::autograd::grad({out}, {w}, {g_.slice(0, i, i + 1).to(at::kDouble)})[0].norm());
    }
    return torch::stack(result);
  }

  // Whether they come from products between positions in floats, which says so; the stated bounds hold.
  bool by_pairs(NormWay way) {
    const Tensor truth = norms();
    const SquaredNorms found = gradients(way)->squared_norms();
    const bool pairs = found.squared_error.defined() && found.squared_error.max().item<double>() > 0;
    const Tensor of_square = pairs ? found.squared_error : torch::zeros_like(truth);
    const Tensor of_norm = found.error.defined() ? found.error : truth * 0x1p-20;
    const Tensor lowest = (found.squared - of_square).clamp_min(0).sqrt() - of_norm;
    const Tensor highest = (found.squared + of_square).sqrt() + of_norm;
    EXPECT_TRUE((lowest <= truth).all().item<bool>() && (truth <= highest).all().item<bool>());
    EXPECT_LE(((found.squared.sqrt() - truth) / truth).abs().max().item<double>(), 1e-5);
    return pairs;
  }

  Tensor x_, w_, out_, g_;
};

TEST_P(Ways, AreTakenAsTold) {
  EXPECT_EQ(by_pairs(NormWay::kGhost), !GetParam().one_position && !GetParam().inexact);
  EXPECT_FALSE(by_pairs(NormWay::kDirect));
}

TEST_P(Ways, AreSaidInThePlan) {
  const auto way = [&](NormWay told) { return gradients(told)->plan()->way; };
  EXPECT_EQ(way(NormWay::kGhost), GetParam().one_position ? "product of norms" : "ghost, pair by pair");
  EXPECT_THAT(way(NormWay::kDirect), StartsWith("direct"));
}

INSTANTIATE_TEST_SUITE_P(All, Ways, testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace discreet
