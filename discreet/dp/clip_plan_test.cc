#include "discreet/dp/clip_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "discreet/dp/clip.h"
#include "discreet/dp/engine_testing.h"
#include "discreet/dp/rules/list.h"
#include "discreet/dp/rules/rules_testing.h"

namespace discreet {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing_models::Model;
using testing_models::Tensor;
using testing_models::Tensors;

std::vector<Model> models() {
  std::vector<Model> all;
  for (const auto& list :
       {testing_models::layer_models(), testing_models::product_models(), testing_models::layout_models(),
        testing_models::recurrent_models(), testing_models::parameter_models()})
    all.insert(all.end(), list.begin(), list.end());
  return all;
}

Model model_named(const std::string& name) {
  for (const Model& model : models())
    if (model.name == name) return model;
  throw std::out_of_range(name);
}

ClipPlan plan_of(const Model& model, int64_t rows, NormWay way = NormWay::kAutomatic,
                 const PlanOptions& options = {}) {
  std::vector<TrainedParameter> parameters;
  Tensors tensors;
  for (const auto& shape : model.shapes) {
    tensors.push_back(torch::randn(shape).requires_grad_());
    parameters.push_back({"p" + std::to_string(parameters.size()), tensors.back()});
  }
  Tensor x = model.input(rows);
  if (x.is_floating_point()) x = x.to(torch::kFloat);
  const Tensor out = model.forward(tensors, x);
  GraphOptions graph;
  graph.norm_way = way;
  return Clipper(parameters, 1.0, {}, graph).plan(out, torch::randn(out.sizes()), options);
}

// [rows, positions, width] through a linear layer without bias, each of whose positions counts.
Model linear(int64_t positions, int64_t width, int64_t out) {
  return {"linear",
          {},
          {{out, width}},
          testing_models::normal_rows({positions, width}),
          [](const Tensors& p, Tensor x) { return torch::matmul(x, p[0].t()).flatten(1); }};
}

TEST(ClipPlan, CountsTheOperationsOfALinearLayer) {
  const double n = 10, t = 3, k = 8, m = 6;
  const auto entry = [&](NormWay way) {
    const ClipPlan plan = plan_of(linear(3, 8, 6), 10, way);
    EXPECT_EQ(plan.entries.size(), 1U);
    EXPECT_EQ(plan.rows, 10);
    return plan.entries.at(0);
  };
  // Pairs of positions, each once, in two products of lengths m and k, multiplied and added up; one m x k
  // product, squared and added up.
  EXPECT_EQ(entry(NormWay::kGhost).flops, n * t * (t + 1) / 2 * (2 * m + 2 * k + 2));
  EXPECT_EQ(entry(NormWay::kDirect).flops, n * m * k * (2 * t + 2));
  EXPECT_EQ(entry(NormWay::kDirect).bytes, 0);  // in the processor's cache
  EXPECT_EQ(entry(NormWay::kAutomatic).parameter, "p0");
  EXPECT_EQ(entry(NormWay::kAutomatic).rule, "linear without bias");
  EXPECT_EQ(entry(NormWay::kAutomatic).operation, "MmBackward0");
  EXPECT_EQ(plan_of(linear(1, 8, 6), 10).entries.at(0).flops, n * (2 * m + 2 * k + 1));
}

TEST(ClipPlan, NamesEveryTrainedParameter) {
  for (const Model& model : models()) {
    std::set<std::string> named;
    for (const ClipPlanEntry& entry : plan_of(model, 3).entries) {
      named.insert(entry.parameter);
      const Rule* rule = find_rule(entry.operation);
      ASSERT_NE(rule, nullptr) << model.name << ": " << entry.operation;
      EXPECT_EQ(rule->name, entry.rule) << model.name;
    }
    EXPECT_EQ(named.size(), model.shapes.size()) << model.name;
  }
}

TEST(ClipPlan, NamesAParameterOncePerUse) {
  const std::map<std::string, std::vector<int>> uses = {
      {"two layers", {1, 1, 1, 1}},
      {"functions of parameters", {1, 1, 1}},
      {"overlapping parts of one weight", {2}},
      {"a matrix and its transpose", {2}},
      {"one convolution at two scales", {2, 2}},
      {"one embedding of two inputs", {2}},
      {"embedding tied to the output of every position", {2, 1}}};
  for (const auto& [name, expected] : uses) {
    std::vector<int> found(expected.size(), 0);
    for (const ClipPlanEntry& entry : plan_of(model_named(name), 3).entries)
      ++found.at(static_cast<size_t>(std::stoi(entry.parameter.substr(1))));
    EXPECT_EQ(found, expected) << name;
  }
}

TEST(ClipPlan, FollowsTheOption) {
  const auto ways = [](const Model& model, NormWay told) {
    std::set<std::string> result;
    for (const ClipPlanEntry& entry : plan_of(model, 3, told).entries)
      if (entry.rule != "bilinear") result.insert(entry.way);  // it has one way only
    return result;
  };
  for (const Model& model : models()) {
    EXPECT_THAT(ways(model, NormWay::kGhost), Each(Not(StartsWith("direct")))) << model.name;
    EXPECT_THAT(ways(model, NormWay::kDirect), Each(Not(StartsWith("ghost")))) << model.name;
    EXPECT_THAT(ways(model, NormWay::kDirect), Each(Not(StartsWith("product")))) << model.name;
  }
  const Model tied = model_named("embedding tied to the output of every position");
  EXPECT_EQ(plan_of(tied, 3, NormWay::kGhost).entries[0].way, "ghost, of the sum of all uses");
  EXPECT_EQ(plan_of(tied, 3, NormWay::kDirect).entries[0].way, "one unit at a time");
  EXPECT_EQ(plan_of(model_named("overlapping parts of one weight"), 3).entries[0].way, "one unit at a time");
}

// Of rows of one product each, with no clipping, against the sum in double.
TEST(ClipPlan, MeasuresTheRoundingOfTheSum) {
  torch::manual_seed(9);
  const int64_t rows = 300;
  const double clip = 1e4;
  const Tensor w = torch::randn({6, 8}).requires_grad_(), x = torch::randn({rows, 8}),
               g = torch::randn({rows, 6});
  Clipper clipper({{"w", w}}, clip);
  const ClipPlan plan = clipper.plan(torch::matmul(x, w.t()), g, {.measure = true});
  EXPECT_EQ(clipper.counts().units, 0);
  clipper.add(torch::matmul(x, w.t()), g);
  const Tensor exact = g.to(torch::kDouble).t().mm(x.to(torch::kDouble));
  const double off = (clipper.take().tensors()[0] - exact).norm().item<double>() / clip;
  EXPECT_GT(off, 0);
  EXPECT_NEAR(plan.measured_rounding.value(), off, 1e-6 * off);
  EXPECT_FALSE(clipper.plan(torch::matmul(x, w.t()), g).measured_rounding);
}

TEST(ClipPlan, BoundsTheRoundingOfTheSum) {
  torch::manual_seed(10);
  const ClipPlan plan = plan_of(linear(1, 8, 6), 300, NormWay::kAutomatic, {.measure = true});
  const double u = 0x1p-24, full = 258 * u, rest = 46 * u;  // blocks of 256 rows and of 44
  EXPECT_DOUBLE_EQ(plan.sum_rounding.proven, 256 * full / (1 - full) + 44 * rest / (1 - rest));
  EXPECT_LE(plan.sum_rounding.probable, plan.sum_rounding.proven);
  EXPECT_GT(plan.sum_rounding.probable, 256 * 4 * std::sqrt(258) * u);
  EXPECT_LE(plan.measured_rounding.value(), plan.sum_rounding.probable);
  for (const Model& model : models()) {
    const ClipPlan of_model = plan_of(model, 40, NormWay::kAutomatic, {.measure = true});
    EXPECT_LE(of_model.measured_rounding.value(), of_model.sum_rounding.probable) << model.name;
  }
}

// One product, which no float holds, many times: its roundings are all the same.
TEST(ClipPlan, BoundsRoundingThatAddsUp) {
  const Tensor w = torch::zeros({1, 1}).requires_grad_(), x = torch::full({256, 1}, 1 + 0x1.1p-20f);
  Clipper clipper({{"w", w}}, 1.5);
  const ClipPlan plan =
      clipper.plan(torch::matmul(x, w.t()), torch::full({256, 1}, 1 + 0x1.3p-20f), {.measure = true});
  EXPECT_GT(plan.measured_rounding.value(), 0);
  EXPECT_LE(plan.measured_rounding.value(), plan.sum_rounding.proven);
}

TEST(ClipPlan, UnitsOfSeveralRowsAreInDouble) {
  const ClipPlan plan =
      plan_of(linear(3, 8, 6), 6, NormWay::kAutomatic, {.measure = true, .unit_starts = {0, 2, 4}});
  EXPECT_EQ(plan.units, 3);
  EXPECT_EQ(plan.units_of_rows, 3);
  EXPECT_LE(plan.measured_rounding.value(), 1e-14);
}

// A rule of one's own that says nothing of its cost.
struct Silent : Gradients {
  explicit Silent(const Tensor& made) : rows(made.to(torch::kDouble)) {}
  SquaredNorms squared_norms() override { return {rows.square().sum(1), {}}; }
  void add_weighted(const Tensor& weights, int64_t begin, int64_t end, Tensor sum) override {
    for (int64_t i = begin; i < end; ++i) sum.add_(rows[i], weights[i].item<double>());
  }
  Tensor gradient(int64_t begin, int64_t end) override { return rows.slice(0, begin, end).sum(0); }
  Tensor rows;
};

TEST(ClipPlan, DoesNotGuessForARuleThatDoesNotSay) {
  const Rule rule{"silent", "AddBackward0",
                  [](libtorch::Node&, uint32_t, const Layout&) { return std::string(); },
                  [](libtorch::Node&, uint32_t, const Tensor& g,
                     const Layout&) -> std::unique_ptr<Gradients> { return std::make_unique<Silent>(g); }};
  const Tensor b = torch::zeros({3}).requires_grad_(), out = torch::ones({4, 3}) + b;
  const ClipPlan plan = Clipper({{"b", b}}, 1.0, {}, {.rules = {rule}}).plan(out, torch::ones({4, 3}));
  EXPECT_EQ(plan.entries.at(0).way, "its own");
  EXPECT_TRUE(std::isnan(plan.entries.at(0).flops));
  EXPECT_TRUE(std::isnan(plan.sum_rounding.probable) && std::isnan(plan.sum_rounding.proven));
  EXPECT_THAT(plan.table(), HasSubstr("at most ?"));
}

struct EnginePlan : EngineFixture {
  ClipPlan plan(PrivacyEngine& made, const PlanOptions& options = {}) {
    return made.plan([&](Tensor x) { return net->forward(x); },
                     [](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y); },
                     data.x_.slice(0, 0, 20), data.y_.slice(0, 0, 20), options);
  }
};

TEST_F(EnginePlan, IsPrintable) {
  const auto made = engine();
  const std::string table = plan(*made, {.measure = true}).table();
  for (const char* part :
       {"parameter", "flops", "bytes", "first.weight", "AddmmBackward0", "product of norms", "second.bias",
        "rows", "table.weight", "tokens", "20 rows of 20 units", "2^-40", "measured on this batch"})
    EXPECT_THAT(table, HasSubstr(part));
  EXPECT_THAT(plan(*made).table(), Not(HasSubstr("measured")));
}

TEST_F(EnginePlan, ReleasesNothing) {
  const auto made = engine();
  made->plan(
      [&](Tensor x) { return net->forward(x) + net->second->bias.exp(); },  // a function of a parameter
      [](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y); }, data.x_, data.y_,
      {.measure = true});
  EXPECT_EQ(made->steps(), 0);
  EXPECT_EQ(made->counts().units, 0);
  for (const Tensor& parameter : net->parameters()) EXPECT_FALSE(parameter.grad().defined());
  for (const auto& batch : made->loader(data, 1)) step(*made, batch);
  EXPECT_EQ(made->steps(), 1);
}

// Its forward pass is one more way in.
TEST_F(EnginePlan, IsNoWayForRawDataIntoTheModel) {
  const auto made = engine();
  const auto forward = [&](Tensor x) {
    net->first->bias.variable_data().fill_(x.abs().sum().item<float>());
    return net->forward(x);
  };
  const auto loss_of = [](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y); };
  EXPECT_THAT(message_of([&] { made->plan(forward, loss_of, data.x_, data.y_); }),
              HasSubstr("'first.bias' was written"));
  Loader loader = made->loader(data, 1);
  EXPECT_THAT(message_of([&] { loader.begin(); }), HasSubstr("make the model anew"));
}

TEST_F(EnginePlan, FollowsTheOption) {
  PrivacyOptions options = usual();
  options.norm_way = NormWay::kDirect;
  EXPECT_EQ(plan(*std::make_unique<PrivacyEngine>(net, options)).entries.at(0).way, "direct, tile by tile");
  options.grad_mode = GradMode::kExactSlow;
  EXPECT_THAT(message_of([&] { PrivacyEngine(net, options); }), HasSubstr("norm_way"));
  options.norm_way = NormWay::kAutomatic;
  EXPECT_THAT(message_of([&] { plan(*std::make_unique<PrivacyEngine>(net, options)); }),
              HasSubstr("kExactSlow"));
}

// Of 16 rows: the mean's gradient is the sum's but for a power of two, and so is its rounding.
TEST_F(EnginePlan, UndoesTheMean) {
  const auto measured = [&](Reduction reduction) {
    PrivacyOptions options = usual();
    options.loss_reduction = reduction;
    options.max_grad_norm = 100;
    const auto kind = reduction == Reduction::kMean ? at::Reduction::Mean : at::Reduction::Sum;
    PrivacyEngine made(net, options);
    return made
        .plan([&](Tensor x) { return net->forward(x); },
              [&](Tensor out, Tensor y) { return torch::cross_entropy_loss(out, y, {}, kind); },
              data.x_.slice(0, 0, 16), data.y_.slice(0, 0, 16), {.measure = true})
        .measured_rounding.value();
  };
  EXPECT_GT(measured(Reduction::kSum), 0);
  EXPECT_NEAR(measured(Reduction::kMean), measured(Reduction::kSum), 1e-6 * measured(Reduction::kSum));
}

TEST_F(EnginePlan, MeasuresTheSumOfClippedUnits) {
  PrivacyOptions options = usual();
  options.max_grad_norm = 1e-3;  // every unit is clipped
  const auto clipped = plan(*std::make_unique<PrivacyEngine>(net, options), {.measure = true});
  EXPECT_GT(clipped.measured_rounding.value(), 1e-9);
  EXPECT_LT(clipped.measured_rounding.value(), clipped.sum_rounding.probable);
}

}  // namespace
}  // namespace discreet
