#include "discreet/dp/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "discreet/base/error.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/custom_functions_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;
using testing_functions::Checkpoint;
using testing_functions::Doubled;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

// Graphs that the engine must refuse, by what the message names.
template <typename Forward>
std::string refusal(Forward forward, std::vector<std::pair<std::string, std::vector<int64_t>>> shapes,
                    Tensor x) {
  std::vector<TrainedParameter> parameters;
  for (const auto& [name, shape] : shapes) parameters.push_back({name, torch::randn(shape).requires_grad_()});
  return message_of([&] {
    const Tensor out = forward(parameters, x);
    Clipper clipper(parameters, 1.0);
    clipper.add(out, torch::ones_like(out));
  });
}

using Parameters = std::vector<TrainedParameter>;

TEST(Refused, BatchNormalisation) {
  const auto forward = [](const Parameters& p, Tensor x) {
    return torch::batch_norm(torch::linear(x, p[0].tensor), {}, {}, {}, {}, true, 0.1, 1e-5, false);
  };
  EXPECT_THAT(
      refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})),
      testing::AllOf(HasSubstr("parameter 'w'"), HasSubstr("BatchNorm"), HasSubstr("group normalisation")));
}

TEST(Refused, ComplexNumbers) {
  const Tensor turned = torch::polar(torch::ones({8, 4}), torch::randn({8, 4}));
  const auto refused = [&](auto forward) {
    return refusal([&](const Parameters& p, Tensor) { return torch::abs(forward(p[0].tensor)); },
                   {{"w", {4, 4}}}, turned);
  };
  EXPECT_THAT(refused([&](Tensor w) { return turned * w[0]; }), HasSubstr("complex"));
  EXPECT_THAT(refused([&](Tensor w) { return turned.mm(w.to(torch::kComplexFloat)); }), HasSubstr("complex"));
}

// The batch's own tokens, consecutive ones too, are not taken for what all samples share.
TEST(Refused, TokensOfTheBatchInPlaceOfAParameter) {
  const Tensor tokens = torch::arange(5);
  const auto refused = [&](auto forward) {
    return refusal(
        [&](const Parameters& p, Tensor x) { return forward(torch::embedding(p[0].tensor, x), p); },
        {{"table", {8, 4}}, {"w", {4, 4}}, {"others", {8, 4}}}, tokens);
  };
  EXPECT_THAT(refused([](Tensor h, const Parameters& p) { return h.mm(p[1].tensor).mm(h.t()); }),
              HasSubstr("parameter 'table'"));
  EXPECT_THAT(refused([](Tensor h, const Parameters& p) { return h.mm(p[1].tensor).mm(h.slice(0, -5).t()); }),
              HasSubstr("parameter 'table'"));              // a slice of all
  EXPECT_THAT(refused([&](Tensor h, const Parameters& p) {  // each sample is held against the others'
                return h.mm(torch::embedding(p[2].tensor, tokens).t());
              }),
              HasSubstr("parameter 'others'"));
  EXPECT_THAT(refused([](Tensor h, const Parameters& p) { return h.mm(p[1].tensor) - h.sum(0); }),
              HasSubstr("'SubBackward0', which broadcasts one tensor over the batch"));
  EXPECT_THAT(refused([](Tensor h, const Parameters& p) { return h.mm(p[1].tensor) - h.slice(0, 0, 1); }),
              HasSubstr("'SubBackward0', which broadcasts one tensor over the batch"));
  EXPECT_THAT(refused([](Tensor h, const Parameters& p) {
                return torch::layer_norm(h.mm(p[1].tensor), {4}, h.select(0, 0));
              }),
              HasSubstr("parameter 'table'"));
}

TEST(Refused, AMeanOverTheBatch) {
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor h = torch::linear(x, p[0].tensor);
    return h - h.mean(0, true);
  };
  EXPECT_THAT(refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})),
              HasSubstr("'SubBackward0', which broadcasts one tensor over the batch"));
}

// One node for the layer, or one for each of its products: either way two samples would share its gates.
TEST(Refused, StatesThatGoToOtherSamplesThanTheOutput) {
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor zeros = torch::zeros({1, x.size(0), 4});
    const auto [out, hidden, cell] =
        torch::lstm(x, {zeros, zeros}, {p[0].tensor, p[1].tensor, p[2].tensor, p[3].tensor}, true, 1, 0.0,
                    true, false, true);
    return out.select(1, -1) + hidden.squeeze(0).flip(0);
  };
  EXPECT_THAT(
      refusal(forward, {{"w", {16, 3}}, {"u", {16, 4}}, {"b", {16}}, {"c", {16}}}, torch::randn({6, 5, 3})),
      testing::AnyOf(HasSubstr("whose results are of different samples"),
                     HasSubstr("to other samples than another use")));
}

// As many positions as samples: the shapes fit whatever the model does.
TEST(Refused, OperationsAcrossTheBatch) {
  const auto with = [](auto moved) {
    return refusal([&](const Parameters& p, Tensor x) { return moved(torch::matmul(x, p[0].tensor.t())); },
                   {{"w", {4, 5}}}, torch::randn({4, 4, 5}));
  };
  EXPECT_THAT(with([](Tensor h) { return torch::softmax(h, 0); }),
              HasSubstr("'SoftmaxBackward0', which mixes"));
  EXPECT_THAT(with([](Tensor h) { return torch::softmax(h.transpose(0, 1), 1).transpose(0, 1); }),
              HasSubstr("'SoftmaxBackward0', which mixes"));
  EXPECT_THAT(with([](Tensor h) { return h.cumsum(0); }), HasSubstr("'CumsumBackward0', which mixes"));
  EXPECT_THAT(with([](Tensor h) {
                return h.permute({2, 0, 1}).bmm(h).permute({1, 0, 2});
              }),
              HasSubstr("'BmmBackward0', which multiplies by a matrix that depends on the batch"));
  // One way says that the first dimension is the batch, the other the second.
  const std::string disagree = "gives it to other samples than another use of";
  EXPECT_THAT(with([](Tensor h) { return h + h.transpose(0, 1); }), HasSubstr(disagree));
  EXPECT_THAT(with([](Tensor h) { return h.sum(1) + h.sum(1).t(); }), HasSubstr(disagree));
  EXPECT_THAT(with([](Tensor h) { return h.sum(0) + h.sum(1); }), HasSubstr(disagree));
  EXPECT_THAT(with([](Tensor h) { return torch::stack({h, h, h, h}, 0); }), HasSubstr(disagree));
  EXPECT_EQ(with([](Tensor h) { return h.transpose(1, 2).sum(-1); }), "no Error");
}

TEST(Refused, AHookOnTheWay) {
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor h = torch::linear(x, p[0].tensor);
    h.register_hook([](const Tensor& g) { return g / g.norm(); });
    return h.tanh();
  };
  EXPECT_THAT(refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})), HasSubstr("a hook"));
}

TEST(Refused, CustomFunctions) {
  const auto forward = [](const Parameters& p, Tensor x) {
    return Doubled::apply(torch::linear(x, p[0].tensor));
  };
  EXPECT_THAT(
      refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})),
      testing::AllOf(HasSubstr("parameter 'w'"), HasSubstr("Doubled"),
                     HasSubstr("a custom autograd function or a checkpoint"), HasSubstr("kExactSlow")));
}

// The other use of the parameter is in the graph: its gradient alone would be wrong.
TEST(Refused, ACheckpointThatUsesAParameterUnseen) {
  const auto forward = [](const Parameters& p, Tensor x) {
    return torch::linear(Checkpoint::apply(x.requires_grad_(), &p[0].tensor).tanh(), p[0].tensor);
  };
  EXPECT_THAT(refusal(forward, {{"w", {4, 4}}}, torch::randn({8, 4})),
              testing::AllOf(HasSubstr("the watched output depends on"), HasSubstr("Checkpoint"),
                             HasSubstr("a custom autograd function or a checkpoint")));
}

TEST(Refused, ClassesOfNodesOfOnesOwn) {
  struct Own : torch::autograd::Node {
    std::vector<Tensor> apply(std::vector<Tensor>&& gradients) override { return std::move(gradients); }
  };
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor h = torch::linear(x, p[0].tensor);
    Tensor out = h.detach().clone();
    const auto node = std::make_shared<Own>();
    node->set_next_edges(torch::autograd::collect_next_edges(h));
    torch::autograd::create_gradient_edge(out, node);
    return out;
  };
  EXPECT_THAT(refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})),
              HasSubstr("a custom autograd function"));
}

TEST(Refused, PartsWrittenInPlaceByOtherThanCopies) {
  const auto with = [](auto write) {
    return refusal(
        [&](const Parameters& p, Tensor x) {
          Tensor h = torch::linear(x, p[0].tensor);
          write(h);
          return h;
        },
        {{"w", {8, 4}}}, torch::randn({8, 4}));
  };
  EXPECT_THAT(with([](Tensor h) { h.select(1, 0).mul_(2); }), HasSubstr("in place by 'MulBackward"));
  EXPECT_THAT(with([](Tensor h) { h.select(0, 0).copy_(h.select(0, 1).clone()); }),
              HasSubstr("to other samples"));
  EXPECT_THAT(with([](Tensor h) { h.diagonal().copy_(h.select(1, 1).clone()); }),
              HasSubstr("to parts of several samples"));
  EXPECT_EQ(with([](Tensor h) { h.select(1, 0).copy_(h.select(1, 1).clone()); }), "no Error");
  EXPECT_EQ(with([](Tensor h) { h.select(0, 1).zero_(); }), "no Error");
}

// libtorch 1.13's backward takes one of two orders in memory for the other: one sample's NaN reached two
// others.
TEST(Refused, AStridedGradientOfBatchNormalisation) {
  const Tensor w = torch::randn({1, 2}).requires_grad_();
  const auto normalised = [&] {
    return torch::instance_norm(torch::linear(torch::randn({4, 1, 3, 2}), w), {}, {}, {}, {}, true, 0.1, 1e-5,
                                false);
  };
  const Tensor strided = normalised().flatten(1, 2).movedim(0, 1), dense = normalised().flatten(1);
  Clipper turned({{"w", w}}, 1.0, {}, {1, {}}), plain({{"w", w}}, 1.0);
  EXPECT_THAT(message_of([&] { turned.add(strided, torch::randn(strided.sizes())); }),
              HasSubstr("in another order"));
  EXPECT_EQ(message_of([&] { plain.add(dense, torch::randn(dense.sizes())); }), "no Error");
}

// A dense gradient of what lies with the channels last; with width 1 that is misread too.
TEST(Refused, ADenseGradientOfBatchNormalisationWithChannelsLast) {
  for (const int64_t width : {1, 4}) {
    const Tensor w = torch::randn({3, 2, 1, 1}, torch::kDouble).requires_grad_();
    const Tensor x = torch::randn({3, 2, 5, width}, torch::kDouble),
                 g = torch::randn({3, 15 * width}, torch::kDouble);
    const Tensor mean = torch::arange(3, torch::kDouble), variance = mean + 1;
    const auto forward = [&](const Tensor& rows, bool by_hand) {
      const Tensor h = torch::conv2d(rows, w).contiguous(at::MemoryFormat::ChannelsLast);
      const auto each = [](const Tensor& of) { return of.view({1, -1, 1, 1}); };
      const Tensor y = by_hand ? (h - each(mean)) / (each(variance) + 1e-5).sqrt()
                               : torch::batch_norm(h, {}, {}, mean, variance, false, 0.1, 1e-5, false);
      return y.reshape({-1}).reshape({rows.size(0), -1});
    };
    Clipper clipper({{"w", w}}, 0.1);
    const std::string message = message_of([&] { clipper.add(forward(x, false), g); });
    if (width == 1) {
      EXPECT_THAT(message, HasSubstr("in another order"));
      continue;
    }
    EXPECT_EQ(message, "no Error");
    Tensor expected = torch::zeros_like(w);
    for (int64_t i = 0; i < 3; ++i) {
      const Tensor one = forward(x.slice(0, i, i + 1), true);
      const Tensor gradient = torch::autograd::grad({one}, {w}, {g.slice(0, i, i + 1)})[0];
      expected += gradient * (0.1 / gradient.norm());
    }
    EXPECT_LE((clipper.take().tensors()[0] - expected).norm().item<double>(), 1e-12);
  }
}

// 1.13 reads every number of the gain where every second is meant.
TEST(Refused, AGainOfBatchNormalisationWithSteps) {
  const auto with = [](int64_t step) {
    const auto forward = [=](const Parameters& p, Tensor x) {
      const Tensor mean = torch::zeros({3}), variance = torch::ones({3});
      return torch::batch_norm(torch::linear(x, p[0].tensor), p[1].tensor.slice(0, 0, 2 * step + 1, step), {},
                               mean, variance, false, 0.1, 1e-5, false);
    };
    return refusal(forward, {{"w", {3, 4}}, {"gain", {6}}}, torch::randn({8, 4}));
  };
  EXPECT_THAT(with(2), HasSubstr("in another order"));
  EXPECT_EQ(with(1), "no Error");
}

TEST(Refused, ARowForSeveralSamples) {
  const auto with = [](Tensor index) {
    return refusal(
        [&](const Parameters& p, Tensor x) { return torch::linear(x, p[0].tensor).index_select(0, index); },
        {{"w", {3, 4}}}, torch::randn({8, 4}));
  };
  EXPECT_THAT(with(torch::tensor({0, 1, 2, 3, 4, 5, 6, 6}, torch::kLong)),
              HasSubstr("'IndexSelectBackward0', which gives one row to several samples"));
  EXPECT_EQ(with(torch::tensor({7, 1, 2, 3, 4, 5, 6, 0}, torch::kLong)), "no Error");
}

TEST(Refused, RowsThatValuesChoose) {
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor h = torch::linear(x, p[0].tensor);
    return h.index({x.select(1, 0).abs() >= 0});
  };
  EXPECT_THAT(refusal(forward, {{"w", {3, 4}}}, torch::randn({8, 4})),
              HasSubstr("'IndexBackward0', which chooses by a mask"));
}

TEST(Refused, AttentionBetweenSamples) {
  const auto forward = [](const Parameters& p, Tensor x) {
    const Tensor h = torch::matmul(x, p[0].tensor.t());
    return torch::softmax(h.mm(h.t()), 1).mm(h);
  };
  EXPECT_THAT(refusal(forward, {{"w", {4, 4}}}, torch::randn({4, 4})), HasSubstr("depends on the batch"));
}

TEST(Refused, AUseThatNoRuleCovers) {
  const auto forward = [](const Parameters& p, Tensor x) { return torch::hypot(x, p[0].tensor); };
  EXPECT_THAT(refusal(forward, {{"slope", {1}}}, torch::randn({8, 4})),
              testing::AllOf(HasSubstr("parameter 'slope'"), HasSubstr("Hypot")));
  const auto function_of_parameter = [](const Parameters& p, Tensor x) { return x * p[0].tensor.lgamma(); };
  EXPECT_THAT(refusal(function_of_parameter, {{"scale", {4}}}, torch::randn({8, 4})),
              HasSubstr("'MulBackward0', which broadcasts one tensor over the batch"));
}

TEST(Refused, AParameterThatTheOutputDoesNotDependOn) {
  const auto forward = [](const Parameters& p, Tensor x) { return torch::linear(x, p[0].tensor); };
  EXPECT_THAT(refusal(forward, {{"w", {3, 4}}, {"idle", {2}}}, torch::randn({8, 4})),
              HasSubstr("'idle' is trained but the watched output does not depend on it"));
}

TEST(Refused, AParameterWithARowForEachSample) {
  const auto forward = [](const Parameters& p, Tensor x) { return x * p[0].tensor; };
  EXPECT_THAT(refusal(forward, {{"rows", {8, 4}}}, torch::randn({8, 4})), HasSubstr("a row of its own"));
}

}  // namespace
}  // namespace discreet
