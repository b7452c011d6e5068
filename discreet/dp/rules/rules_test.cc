// Every rule against one-sample-at-a-time gradients in double: one harness, a table of models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "discreet/base/error.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/rules/list.h"
#include "discreet/dp/rules/rules_testing.h"

namespace discreet {
namespace {

using namespace testing_models;

std::vector<Model> models() {
  std::vector<Model> all;
  for (const auto& list :
       {layer_models(), product_models(), layout_models(), recurrent_models(), parameter_models()})
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

struct Setting {
  at::ScalarType precision = torch::kDouble;
  double scale = 1;                       // of the input (real inputs only)
  double gradient_scale = 1;              // of the output's gradient
  int64_t broken = -1;                    // this sample's output gradient is NaN
  int64_t poisoned = -1;                  // this sample's input is NaN
  std::vector<int64_t> unit_starts = {};  // empty: every row
  NormWay norm_way = NormWay::kAutomatic;
};

Tensors leaves(const Tensors& values, at::ScalarType precision) {
  Tensors result;
  for (const Tensor& value : values) result.push_back(value.to(precision).detach().clone().requires_grad_());
  return result;
}

Tensor concatenated(const Tensors& tensors) {
  Tensors flat;
  for (const Tensor& tensor : tensors) flat.push_back(tensor.reshape({-1}).to(torch::kDouble));
  return torch::cat(flat);
}

struct Compared {
  Tensor expected, actual;  // flat, double
  double largest_part = 0;  // norm of the largest part that one unit adds, by the engine's own sum
};

// Clipped sum of the engine and of a loop over the units with plain autograd in double.
Compared compare(const Model& model, int64_t samples, const Setting& setting, double clip_quantile = 0.5) {
  Tensors values;
  for (const auto& shape : model.shapes)
    values.push_back(normal(shape).to(setting.precision).to(torch::kDouble));
  Tensor x = model.input(samples);
  if (x.is_floating_point()) x = (x * setting.scale).to(setting.precision).to(torch::kDouble);
  if (setting.poisoned >= 0) x[setting.poisoned].fill_(std::numeric_limits<double>::quiet_NaN());
  const auto cast = [&](const Tensor& t) { return t.is_floating_point() ? t.to(setting.precision) : t; };
  const Tensors trained = leaves(values, setting.precision), reference = leaves(values, torch::kDouble);

  const Tensor out = model.forward(trained, cast(x));
  Tensor g = (torch::randn(out.sizes(), torch::kDouble) * setting.gradient_scale);
  if (setting.broken >= 0) g[setting.broken].fill_(std::numeric_limits<double>::quiet_NaN());
  g = g.to(setting.precision).to(torch::kDouble);

  std::vector<int64_t> starts = setting.unit_starts;
  if (starts.empty())
    for (int64_t i = 0; i < samples; ++i) starts.push_back(i);
  starts.push_back(samples);
  std::vector<Tensor> gradients;
  std::vector<double> norms;
  for (size_t unit = 0; unit + 1 < starts.size(); ++unit) {
    const auto rows = torch::indexing::Slice(starts[unit], starts[unit + 1]);
    const Tensor o = model.forward(reference, x.index({rows}));
    const auto parts = torch::autograd::grad({o}, reference, {g.index({rows})});
    gradients.push_back(concatenated(parts));
    norms.push_back(gradients.back().norm().item<double>());
  }
  std::vector<double> finite;
  for (double norm : norms)
    if (std::isfinite(norm)) finite.push_back(norm);
  std::sort(finite.begin(), finite.end());
  const double clip =
      finite.empty()
          ? 1
          : std::clamp(finite[static_cast<size_t>(clip_quantile * (finite.size() - 1))], 1e-30, 1e30);

  Compared result;
  int64_t numel = 0;
  std::vector<TrainedParameter> parameters;
  for (size_t i = 0; i < trained.size(); ++i) {
    parameters.push_back({"p" + std::to_string(i), trained[i]});
    numel += trained[i].numel();
  }
  result.expected = torch::zeros({numel}, torch::kDouble);
  for (size_t i = 0; i < gradients.size(); ++i)
    if (std::isfinite(norms[i])) result.expected += gradients[i] * (clip / std::max(norms[i], clip));
  GraphOptions graph;
  graph.norm_way = setting.norm_way;
  Clipper clipper(parameters, clip, {}, graph);
  clipper.add(out, g.to(setting.precision), setting.unit_starts);
  const ClippedSum sum = clipper.take();
  result.actual = concatenated(sum.tensors());
  EXPECT_DOUBLE_EQ(sum.sensitivity(), clip * (1 + 0x1p-10));
  EXPECT_EQ(clipper.counts().not_finite, static_cast<int64_t>(norms.size() - finite.size()));
  // Each unit by itself: what it adds stays within the sensitivity.
  for (size_t unit = 0; unit + 1 < starts.size() && unit < 4; ++unit) {
    const auto rows = torch::indexing::Slice(starts[unit], starts[unit + 1]);
    Clipper alone(parameters, clip, {}, graph);
    std::vector<int64_t> one{0};
    alone.add(model.forward(trained, cast(x.index({rows}))), g.index({rows}).to(setting.precision), one);
    result.largest_part =
        std::max(result.largest_part, concatenated(alone.take().tensors()).norm().item<double>() / clip);
  }
  return result;
}

double relative_error(const Compared& compared) {
  const double size = compared.expected.norm().item<double>();
  const double difference = (compared.expected - compared.actual).norm().item<double>();
  return size == 0 ? difference : difference / size;
}

const char* name_of(NormWay way) {
  return way == NormWay::kAutomatic ? "automatic" : way == NormWay::kGhost ? "ghost" : "direct";
}

// In every way to the norms, on the same numbers.
void expect_close(const Model& model, int64_t samples, Setting setting) {
  const double allowed = setting.precision == torch::kDouble ? 1e-10 : 1e-5;
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  const Tensor state = generator.get_state();
  for (const NormWay way : {NormWay::kAutomatic, NormWay::kGhost, NormWay::kDirect}) {
    generator.set_state(state);
    setting.norm_way = way;
    const Compared compared = compare(model, samples, setting);
    EXPECT_LE(relative_error(compared), allowed)
        << model.name << ", " << samples << " samples, " << name_of(way);
    EXPECT_LE(compared.largest_part, 1 + 0x1p-10) << model.name << ", " << name_of(way);
  }
}

class Rules : public testing::TestWithParam<Model> {
 protected:
  void SetUp() override { torch::manual_seed(7); }
};

TEST_P(Rules, MatchOneSampleAtATime) {
  for (int64_t samples : {1, 2, 5, 33}) {
    expect_close(GetParam(), samples, {.precision = torch::kDouble});
    expect_close(GetParam(), samples, {.precision = torch::kFloat});
  }
}

TEST_P(Rules, SumOverSeveralBlocksOfSamples) {
  expect_close(GetParam(), 300, {.precision = torch::kFloat});
}

TEST_P(Rules, ClipUnitsOfSeveralRowsAsOne) {
  for (auto precision : {torch::kDouble, torch::kFloat})
    expect_close(GetParam(), 12, {.precision = precision, .unit_starts = {0, 1, 2, 7, 8}});
}

TEST_P(Rules, KeepAllScales) {
  for (double scale : {1e-30, 1e-15, 1e15, 1e30})
    expect_close(GetParam(), 6, {.precision = torch::kFloat, .gradient_scale = scale});
}

TEST_P(Rules, DropASampleThatIsNotFinite) {
  for (auto precision : {torch::kDouble, torch::kFloat}) {
    expect_close(GetParam(), 6, {.precision = precision, .broken = 3});
    expect_close(GetParam(), 6, {.precision = precision, .broken = 2, .unit_starts = {0, 1, 4, 5}});
    expect_close(GetParam(), 1, {.precision = precision, .broken = 0});
  }
}

TEST_P(Rules, DropASampleWhoseInputIsNotFinite) {
  if (!GetParam().input(1).is_floating_point()) GTEST_SKIP() << "its input are tokens";
  for (auto precision : {torch::kDouble, torch::kFloat}) {
    expect_close(GetParam(), 6, {.precision = precision, .poisoned = 3});
    expect_close(GetParam(), 6, {.precision = precision, .poisoned = 2, .unit_starts = {0, 1, 4, 5}});
  }
}

TEST_P(Rules, AddNothingForAnEmptyBatch) {
  Tensors trained;
  std::vector<TrainedParameter> parameters;
  for (const auto& shape : GetParam().shapes) {
    trained.push_back(normal(shape).requires_grad_());
    parameters.push_back({"p", trained.back()});
  }
  Clipper clipper(parameters, 1.0);
  clipper.add(torch::zeros({0, 3}), torch::zeros({0, 3}));
  EXPECT_EQ(concatenated(clipper.take().tensors()).abs().sum().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Rules, testing::ValuesIn(models()), [](const auto& instance) {
  std::string name = instance.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(RuleList, EveryRuleHasAModel) {
  std::set<std::string> covered;
  for (const Model& model : models()) covered.insert(model.rules.begin(), model.rules.end());
  for (const Rule& rule : clip_rules()) EXPECT_TRUE(covered.count(rule.name)) << rule.name;
}

// 64 positions whose gradients alternate in sign: the true gradient is tiny beside its terms.
TEST(Cancellation, StaysWithinTheSensitivity) {
  torch::manual_seed(3);
  for (double residue : {1e-1, 1e-3, 1e-5, 1e-7}) {
    for (int64_t width : {3, 300}) {  // direct and ghost norms
      const int64_t samples = 4, t = 64;
      Tensor w = torch::randn({width, width}).mul_(0.1).requires_grad_();
      Tensor x = torch::randn({samples, 1, width}).expand({samples, t, width}).contiguous();
      x = x + torch::randn({samples, t, width}) * residue;
      Tensor sign = torch::ones({1, t, 1});
      sign.slice(1, 1, t, 2).fill_(-1);
      const Tensor out = torch::matmul(x, w.t());
      const Tensor g = (torch::randn({samples, 1, width}) * sign).expand_as(out).contiguous();
      const Tensor truth = torch::bmm(g.transpose(1, 2).to(torch::kDouble), x.to(torch::kDouble));
      const double norm = truth[0].norm().item<double>(), clip = norm / 3;
      Clipper clipper({{"w", w}}, clip);
      clipper.add(torch::matmul(x.slice(0, 0, 1), w.t()), g.slice(0, 0, 1));
      const Tensor part = clipper.take().tensors()[0];
      EXPECT_LE(part.norm().item<double>(), clip * (1 + 0x1p-10)) << residue << " " << width;
      EXPECT_LE((part - truth[0] / 3).norm().item<double>(), clip * 1e-3) << residue << " " << width;
    }
  }
}

// The same in double, where a ghost norm has half of the digits.
TEST(Cancellation, StaysWithinTheSensitivityInDouble) {
  torch::manual_seed(4);
  const int64_t t = 64, width = 300;
  for (double residue : {1e-5, 1e-7, 1e-8, 1e-9}) {
    const Tensor w = normal({width, width}).mul_(0.1).requires_grad_();
    const Tensor x = normal({1, 1, width}) + normal({1, t, width}) * residue;
    Tensor sign = torch::ones({1, t, 1}, torch::kDouble);
    sign.slice(1, 1, t, 2).fill_(-1);
    const Tensor g = (normal({1, 1, width}) * sign).contiguous();
    const double clip = torch::bmm(g.transpose(1, 2), x).norm().item<double>() / 3;
    Clipper clipper({{"w", w}}, clip);
    clipper.add(torch::matmul(x, w.t()), g);
    EXPECT_LE(clipper.take().tensors()[0].norm().item<double>(), clip * (1 + 0x1p-10)) << residue;
  }
}

TEST(Overflow, OfASquaredNormIsNotAnInfiniteNorm) {
  Tensor w = torch::zeros({2, 3}).requires_grad_(), b = torch::zeros({2}).requires_grad_();
  const Tensor x = torch::full({2, 3}, 1e30f);
  Clipper clipper({{"w", w}, {"b", b}}, 1.0);
  clipper.add(torch::linear(x, w, b), torch::full({2, 2}, 1e30f));
  const ClippedSum sum = clipper.take();
  EXPECT_EQ(clipper.counts().not_finite, 0);
  EXPECT_NEAR(sum.tensors()[0].norm().item<double>(), 2.0, 1e-5);
}

// Numbers near the largest float, with a weight that makes the other side's too small for floats.
TEST(Overflow, OfNothingNearTheLargestFloat) {
  torch::manual_seed(6);
  for (const int64_t m : {2, 5})
    for (const double size : {1e-6, 1.0, 1e3}) {
      const Tensor w = torch::zeros({m, 3}).requires_grad_();
      const Tensor x = torch::tensor({3.1e38f, -2.9e38f, 1.7e38f}).expand({2, 3}).contiguous();
      const Tensor g = torch::randn({2, m}) * size;
      Clipper clipper({{"w", w}}, 1.0);
      clipper.add(torch::linear(x, w), g);
      Tensor expected = torch::zeros({m, 3}, torch::kDouble);
      for (int64_t i = 0; i < 2; ++i) {
        const Tensor part = torch::outer(g[i].to(torch::kDouble), x[i].to(torch::kDouble));
        expected += part / part.norm();
      }
      EXPECT_EQ(clipper.counts().not_finite, 0);
      EXPECT_LE((clipper.take().tensors()[0] - expected).norm().item<double>(), 1e-5) << m << " " << size;
    }
}

// Layers in 16 bits between parameters in floats, as autocast makes them: the network's own results are
// coarse, norms and sums of what it gives are not.
TEST(SixteenBits, AreClippedInFloats) {
  torch::manual_seed(8);
  const int64_t n = 40;
  std::vector<TrainedParameter> parameters = {{"w", torch::randn({20, 30}).requires_grad_()},
                                              {"b", torch::randn({20}).requires_grad_()},
                                              {"k", torch::randn({4, 1, 3, 3}).requires_grad_()},
                                              {"v", torch::randn({10, 16}).requires_grad_()}};
  const Tensor x = torch::randn({n, 6, 30}), g = torch::randn({n, 10});
  const auto forward = [&](const Tensor& rows, at::ScalarType type) {
    const auto cast = [&](const Tensor& t) { return t.to(type); };
    const Tensor h = torch::linear(cast(rows), cast(parameters[0].tensor), cast(parameters[1].tensor)).tanh();
    const Tensor c = torch::conv2d(h.unsqueeze(1), cast(parameters[2].tensor), {}, 2);  // [n, 4, 2, 9]
    return torch::linear(c.mean(3).flatten(1).repeat({1, 2}), cast(parameters[3].tensor)).to(torch::kFloat);
  };
  std::vector<Tensor> leaves;
  for (const auto& parameter : parameters) leaves.push_back(parameter.tensor);
  Clipper clipper(parameters, 1.0);
  clipper.add(forward(x, torch::kBFloat16), g);
  const ClippedSum sum = clipper.take();
  Tensor expected = torch::zeros({concatenated(leaves).numel()}, torch::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const auto parts =
        torch::autograd::grad({forward(x.slice(0, i, i + 1), torch::kFloat)}, leaves, {g.slice(0, i, i + 1)});
    const Tensor gradient = concatenated(parts);
    expected += gradient / std::max(1.0, gradient.norm().item<double>());
    Clipper alone(parameters, 1.0);
    alone.add(forward(x.slice(0, i, i + 1), torch::kBFloat16), g.slice(0, i, i + 1));
    EXPECT_LE(concatenated(alone.take().tensors()).norm().item<double>(), 1 + 0x1p-12);
  }
  EXPECT_LE((concatenated(sum.tensors()) - expected).norm().item<double>(),
            0.05 * expected.norm().item<double>());
  EXPECT_EQ(clipper.counts().clipped, n);
}

}  // namespace
}  // namespace discreet
