#include "discreet/dp/clipping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/error.h"
#include "discreet/dp/clip.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;

const std::vector<std::string> kNames = {"body.first.weight", "body.first.bias", "body.second.weight",
                                         "head.weight"};

std::string message_of(const Clipping& clipping, double max_grad_norm = 1) {
  try {
    bounded_groups(clipping, kNames, max_grad_norm);
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

TEST(BoundedGroups, OfEachModuleShareTheNorm) {
  const auto groups = bounded_groups({.style = Clipping::Style::kPerLayer}, kNames, 3.0);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(groups[0].parameters, testing::ElementsAre(0, 1));
  double squares = 0;
  for (const BoundedGroup& group : groups) squares += group.max_grad_norm * group.max_grad_norm;
  EXPECT_DOUBLE_EQ(std::sqrt(squares), 3.0);
}

TEST(BoundedGroups, TakeTheLongestPrefix) {
  const Clipping clipping{.style = Clipping::Style::kPerGroup, .groups = {{"", 0.6}, {"body.first.", 0.8}}};
  const auto groups = bounded_groups(clipping, kNames, 1.0);
  EXPECT_THAT(groups[0].parameters, testing::ElementsAre(2, 3));
  EXPECT_THAT(groups[1].parameters, testing::ElementsAre(0, 1));
}

TEST(BoundedGroups, RefuseWhatDoesNotAddUp) {
  const auto style = Clipping::Style::kPerGroup;
  EXPECT_THAT(message_of({.style = style, .groups = {{"", 0.6}, {"head", 0.9}}}),
              HasSubstr("together 1.082"));
  EXPECT_THAT(message_of({.style = style, .groups = {{"body", 1.0}}}), HasSubstr("'head.weight'"));
  EXPECT_THAT(message_of({.style = style, .groups = {{"", 0.6}, {"tail", 0.8}}}), HasSubstr("'tail'"));
  EXPECT_THAT(message_of({.style = style, .groups = {{"", -1.0}}}), HasSubstr("above 0"));
  EXPECT_THAT(message_of({.groups = {{"", 1.0}}}), HasSubstr("kPerGroup"));
  EXPECT_THAT(message_of({}, 0), HasSubstr("max_grad_norm"));
  EXPECT_THAT(message_of({}, HUGE_VAL), HasSubstr("max_grad_norm"));
  EXPECT_THAT(message_of({.normalise = true, .stability = 0}), HasSubstr("stability"));
}

// Two layers of very different gradients, against one-at-a-time gradients.
struct GroupedSum : testing::TestWithParam<Clipping> {
  GroupedSum() {
    torch::manual_seed(4);
    parameters = {{"a.weight", torch::randn({5, 6}, torch::kDouble).requires_grad_()},
                  {"a.bias", torch::randn({5}, torch::kDouble).requires_grad_()},
                  {"b.weight", torch::randn({3, 5}, torch::kDouble).requires_grad_()}};
    x = torch::randn({7, 6}, torch::kDouble);
    g = torch::randn({7, 3}, torch::kDouble) * torch::logspace(-3, 2, 7, 10, torch::kDouble).unsqueeze(1);
  }
  Tensor forward(const Tensor& rows) const {
    return torch::linear(torch::tanh(torch::linear(rows, parameters[0].tensor, parameters[1].tensor)),
                         parameters[2].tensor);
  }
  std::vector<Tensor> gradient(int64_t i) const {
    return torch::autograd::grad({forward(x.slice(0, i, i + 1))},
                                 {parameters[0].tensor, parameters[1].tensor, parameters[2].tensor},
                                 {g.slice(0, i, i + 1)});
  }
  std::vector<TrainedParameter> parameters;
  Tensor x, g;
};

TEST_P(GroupedSum, MatchesOneSampleAtATime) {
  const Clipping clipping = GetParam();
  const double clip = 0.5;
  const std::vector<std::vector<size_t>> members = clipping.style == Clipping::Style::kFlat
                                                       ? std::vector<std::vector<size_t>>{{0, 1, 2}}
                                                       : std::vector<std::vector<size_t>>{{0, 1}, {2}};
  const auto bound = [&](size_t group) {
    if (clipping.style == Clipping::Style::kFlat) return clip;
    if (clipping.style == Clipping::Style::kPerLayer) return clip / std::sqrt(2.0);
    return clipping.groups[group].max_grad_norm;
  };
  std::vector<Tensor> expected;
  for (const auto& parameter : parameters) expected.push_back(torch::zeros_like(parameter.tensor));
  for (int64_t i = 0; i < x.size(0); ++i) {
    const auto parts = gradient(i);
    for (size_t group = 0; group < members.size(); ++group) {
      double squared = 0;
      for (size_t p : members[group]) squared += parts[p].square().sum().item<double>();
      const double norm = std::sqrt(squared);
      const double factor = clipping.normalise ? bound(group) / (norm + clipping.stability)
                                               : std::min(1.0, bound(group) / norm);
      for (size_t p : members[group]) expected[p] = expected[p] + parts[p] * factor;
    }
  }
  Clipper together(parameters, clip, clipping), apart(parameters, clip, clipping);
  together.add(forward(x), g);
  for (int64_t i = 0; i < x.size(0); ++i) apart.add_unit(gradient(i));
  for (Clipper* clipper : {&together, &apart}) {
    EXPECT_EQ(clipper->counts().units, 7);
    const ClippedSum sum = clipper->take();
    EXPECT_DOUBLE_EQ(sum.sensitivity(), clip * (1 + 0x1p-10));
    for (size_t p = 0; p < expected.size(); ++p)
      EXPECT_LE((sum.tensors()[p] - expected[p]).norm().item<double>(),
                1e-10 * expected[p].norm().item<double>());
  }
}

// What each unit adds, over all groups, stays within the sensitivity, and the largest comes near it.
TEST_P(GroupedSum, EachUnitStaysWithinTheSensitivity) {
  double largest = 0;
  for (int64_t i = 0; i < x.size(0); ++i) {
    Clipper clipper(parameters, 0.5, GetParam());
    clipper.add(forward(x.slice(0, i, i + 1)), g.slice(0, i, i + 1));
    double squared = 0;
    const ClippedSum sum = clipper.take();
    for (const Tensor& tensor : sum.tensors()) squared += tensor.square().sum().item<double>();
    largest = std::max(largest, std::sqrt(squared));
  }
  EXPECT_LE(largest, 0.5 * (1 + 0x1p-10));
  EXPECT_GE(largest, 0.49);
}

TEST_P(GroupedSum, WeighsUnitsAfterTheClip) {
  Clipping clipping = GetParam();
  clipping.max_weight = 2.5;
  const Tensor weights = torch::tensor({0.0, 0.5, 1.0, 2.0, 2.5, 0.25, 1.5}, torch::kDouble);
  Clipper together(parameters, 0.5, clipping), apart(parameters, 0.5, clipping);
  together.add(forward(x), g, {}, weights);
  std::vector<Tensor> expected;
  for (const auto& parameter : parameters) expected.push_back(torch::zeros_like(parameter.tensor));
  for (int64_t i = 0; i < x.size(0); ++i) {
    apart.add_unit(gradient(i), weights[i].item<double>());
    Clipper alone(parameters, 0.5, GetParam());
    alone.add_unit(gradient(i));
    const ClippedSum part = alone.take();
    for (size_t p = 0; p < expected.size(); ++p) expected[p] = expected[p] + part.tensors()[p] * weights[i];
  }
  for (Clipper* clipper : {&together, &apart}) {
    const ClippedSum sum = clipper->take();
    EXPECT_DOUBLE_EQ(sum.sensitivity(), 0.5 * 2.5 * (1 + 0x1p-10));
    for (size_t p = 0; p < expected.size(); ++p)
      EXPECT_LE((sum.tensors()[p] - expected[p]).norm().item<double>(),
                1e-10 * expected[p].norm().item<double>());
  }
  for (const double wrong : {-0.1, 2.6, static_cast<double>(NAN)}) {
    EXPECT_THROW(together.add(forward(x), g, {}, torch::full({7}, wrong, torch::kDouble)), Error);
    EXPECT_THROW(apart.add_unit(gradient(0), wrong), Error);
  }
  EXPECT_THROW(together.add(forward(x), g, {}, weights.slice(0, 1)), Error);
  clipping.max_weight = 0.5;
  Clipper light(parameters, 0.5, clipping);
  EXPECT_THROW(light.add(forward(x), g), Error);  // a unit counts 1 where nothing is said
}

INSTANTIATE_TEST_SUITE_P(
    Styles, GroupedSum,
    testing::Values(Clipping{}, Clipping{.normalise = true}, Clipping{.style = Clipping::Style::kPerLayer},
                    Clipping{.style = Clipping::Style::kPerLayer, .normalise = true, .stability = 0.001},
                    Clipping{.style = Clipping::Style::kPerGroup, .groups = {{"a.", 0.3}, {"b", 0.4}}}),
    [](const auto& instance) { return "Number" + std::to_string(instance.index); });

TEST(Groups, AUnitThatIsNotFiniteInOneAddsToNone) {
  std::vector<TrainedParameter> parameters = {{"a.w", torch::zeros({2}).requires_grad_()},
                                              {"b.w", torch::zeros({2}).requires_grad_()}};
  const Tensor x = torch::tensor({{NAN, 1.0f}, {1.0f, 1.0f}});
  Clipper clipper(parameters, 1.0, {.style = Clipping::Style::kPerLayer});
  const Tensor out = torch::cat({x * parameters[0].tensor, x.new_ones({2, 2}) * parameters[1].tensor}, 1);
  clipper.add(out, torch::ones_like(out));
  EXPECT_EQ(clipper.counts().not_finite, 1);
  const ClippedSum sum = clipper.take();
  for (const Tensor& tensor : sum.tensors()) EXPECT_NEAR(tensor.norm().item<double>(), std::sqrt(0.5), 1e-6);
}

}  // namespace
}  // namespace discreet
