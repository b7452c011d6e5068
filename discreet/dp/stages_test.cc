// Nodes whose rule passes the gradient on itself, in the place of libtorch's own backward.
#include <gtest/gtest.h>

#include "discreet/dp/clip.h"
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"

namespace discreet {
namespace {

using at::Tensor;
using namespace libtorch;

constexpr double kPassedOn = 3;  // times what libtorch would pass on, so that it shows who did it

std::string never(Node&, uint32_t, const Layout&) {
  return "";
}

std::optional<Layout> same(Node&, uint32_t, const Layout& layout) {
  return layout;
}

// x W for rows x.
std::vector<std::unique_ptr<Gradients>> product(Node& node, const std::vector<uint32_t>& inputs,
                                                const std::vector<Tensor>& flowing, const Layout& layout,
                                                std::vector<Tensor>* passed_on) {
  auto& mm = dynamic_cast<saved::MmBackward0&>(node);
  const Shape out = flowing[0].sizes().vec();
  std::vector<std::unique_ptr<Gradients>> result;
  for (size_t i = 0; i < inputs.size(); ++i)
    result.push_back(std::make_unique<OuterProducts>(layout.samples_first(unpack(mm.self_, node), 1, out, 1),
                                                     layout.samples_first(flowing[0], 1, out, 1)));
  if (node.next_edge(0).is_valid()) (*passed_on)[0] = flowing[0].mm(unpack(mm.mat2_, node).t()) * kPassedOn;
  return result;
}

constexpr OutputsRule kOutputs{same, product};
const Rule kProduct{"product that passes on", "MmBackward0", never, nullptr, &kOutputs};

class Stages : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(5);
    for (const char* name : {"a", "b", "c"})
      parameters.push_back({name, torch::randn({4, 4}, torch::kDouble).requires_grad_()});
  }
  const Tensor& weight(int i) const { return parameters[i].tensor; }

  // Sums of unclipped gradients of the output's sum.
  std::vector<Tensor> sums(const Tensor& out, std::vector<Rule> rules) {
    Clipper clipper(parameters, 1e9, {}, {0, std::move(rules)});
    clipper.add(out, torch::ones_like(out));
    return clipper.take().tensors();
  }

  std::vector<TrainedParameter> parameters;
  const Tensor x = torch::randn({5, 4}, torch::kDouble);
};

void expect_times(const Tensor& actual, const Tensor& plain, double factor) {
  EXPECT_LE((actual - plain * factor).norm().item<double>(), 1e-10 * plain.norm().item<double>() * factor);
}

TEST_F(Stages, EachBeginsWithWhatARulePassedOn) {
  const auto forward = [&] { return x.mm(weight(0)).tanh().mm(weight(1)).sin().mm(weight(2)); };
  const auto plain = sums(forward(), {}), staged = sums(forward(), {kProduct});
  expect_times(staged[2], plain[2], 1);
  expect_times(staged[1], plain[1], kPassedOn);
  expect_times(staged[0], plain[0], kPassedOn * kPassedOn);
}

// Two of one stage that pass on to the same tensor.
TEST_F(Stages, SideBySide) {
  const auto forward = [&] {
    const Tensor h = (x * weight(0).select(0, 0)).tanh();
    return h.mm(weight(1)) + h.mm(weight(2)).sin();
  };
  const auto plain = sums(forward(), {}), staged = sums(forward(), {kProduct});
  expect_times(staged[1], plain[1], 1);
  expect_times(staged[2], plain[2], 1);
  expect_times(staged[0], plain[0], kPassedOn);
}

// A way round it: libtorch's backward does everything, once.
TEST_F(Stages, NoneWhereAGradientComesFromBothSides) {
  const auto forward = [&] {
    const Tensor h = (x * weight(0).select(0, 0)).tanh();
    return h + h.mm(weight(1)).sin().mm(weight(2));
  };
  const auto plain = sums(forward(), {}), staged = sums(forward(), {kProduct});
  for (size_t p = 0; p < plain.size(); ++p) expect_times(staged[p], plain[p], 1);
}

std::optional<c10::weak_intrusive_ptr<c10::StorageImpl>> watched;  // memory of a tensor between two uses
bool was_gone = false;                                             // when the last rule was asked

std::unique_ptr<Gradients> looking(Node& node, uint32_t, const Tensor& flowing, const Layout& layout) {
  was_gone = watched->expired();
  const Shape out = flowing.sizes().vec();
  const Tensor rows = unpack(dynamic_cast<saved::MmBackward0&>(node).self_, node);
  return std::make_unique<OuterProducts>(layout.samples_first(rows, 1, out, 1),
                                         layout.samples_first(flowing, 1, out, 1));
}

// Else a step holds all activations and all their gradients at once.
TEST_F(Stages, WhatTheGradientHasPassedIsLetGo) {
  const auto forward = [&] {
    const Tensor h = x.mm(weight(0)).tanh();
    watched = h.storage().getWeakStorageImpl();
    return h.sin().mm(weight(1)).sin().mm(weight(2));
  };
  const auto plain = sums(forward(), {});
  const auto looked = sums(forward(), {{"looks", "MmBackward0", never, looking}});
  EXPECT_TRUE(was_gone);
  for (size_t p = 0; p < plain.size(); ++p) expect_times(looked[p], plain[p], 1);
}

}  // namespace
}  // namespace discreet
