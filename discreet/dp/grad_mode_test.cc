// The engine's ways to the gradients of single units, and what it looks at before the first of them.
#include "discreet/dp/custom_functions_testing.h"
#include "discreet/dp/engine_testing.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::HasSubstr;
using testing_functions::Checkpoint;
using testing_functions::Doubled;

struct GradModes : EngineFixture {
  // The first release of a model that computes `forward`, in a mode.
  Tensor release(GradMode mode, const std::function<Tensor(Tensor)>& forward,
                 PrivacyOptions options = usual(), const std::vector<int64_t>& units = {}) {
    options.grad_mode = mode;
    const auto made = engine(options);
    for (const auto& batch : made->loader(data, 1, units)) {
      optimizer.zero_grad();
      const Tensor out = made->watch(forward, batch.data);
      const bool turned = options.batch_dimension == 1;
      loss(turned ? out.t() : out, batch.target).backward();
    }
    return gradients();
  }
};

TEST_F(GradModes, AgreeOnTheSameDraw) {
  const auto forward = [&](Tensor x) { return net->forward(x); };
  std::vector<int64_t> units(200);
  for (size_t i = 0; i < units.size(); ++i) units[i] = static_cast<int64_t>(i * i % 61);
  for (const auto& some_units : {std::vector<int64_t>(), units})
    for (const bool normalise : {false, true}) {
      PrivacyOptions options = usual();
      options.clipping.normalise = normalise;
      if (!some_units.empty()) options.sample_size = 61, options.batch_size = 6;
      const Tensor graph = release(GradMode::kGraph, forward, options, some_units);
      const Tensor slow = release(GradMode::kExactSlow, forward, options, some_units);
      // One lattice, one noise: what differs is rounding.
      EXPECT_LE((graph - slow).abs().max().item<double>(), 1e-2 / static_cast<double>(options.batch_size));
      EXPECT_GT(graph.norm().item<double>(), 0.01);
    }
}

TEST_F(GradModes, WaysToTheNormsAgreeOnTheSameDraw) {
  const auto forward = [&](Tensor x) {
    const Tensor positions = torch::stack({x, x.flip(1), x * 0.5}, 1);  // [rows, 3, 4]
    return net->second(torch::tanh(net->first(positions)).sum(1) +
                       net->table(torch::zeros({x.size(0)}, torch::kLong)));
  };
  const auto by = [&](NormWay way) {
    PrivacyOptions options = usual();
    options.norm_way = way;
    return release(GradMode::kGraph, forward, options);
  };
  const Tensor automatic = by(NormWay::kAutomatic);
  EXPECT_LE((automatic - by(NormWay::kGhost)).abs().max().item<double>(), 5e-4);
  EXPECT_LE((automatic - by(NormWay::kDirect)).abs().max().item<double>(), 5e-4);
  EXPECT_GT(automatic.norm().item<double>(), 0.01);
}

TEST_F(GradModes, ExactSlowNeedsNoRule) {
  const auto forward = [&](Tensor x) { return net->forward(x) * net->second->bias.lgamma().exp(); };
  EXPECT_THAT(message_of([&] { release(GradMode::kGraph, forward); }),
              testing::AllOf(HasSubstr("second.bias"), HasSubstr("MulBackward0")));
  EXPECT_GT(release(GradMode::kExactSlow, forward).norm().item<double>(), 0.01);
}

TEST_F(GradModes, ExactSlowTakesCustomFunctionsButNoGradientThatTheyWrite) {
  const auto doubled = [&](Tensor x) { return Doubled::apply(net->forward(x)); };
  EXPECT_GT(release(GradMode::kExactSlow, doubled).norm().item<double>(), 0.01);
  const auto forward = [&](Tensor x) {
    const Tensor moved = x + net->second->bias.sum();  // behind the checkpoint, so that it is gone through
    return net->forward(x) + Checkpoint::apply(moved, &net->first->weight).slice(1, 0, 2);
  };
  EXPECT_THAT(message_of([&] { release(GradMode::kExactSlow, forward); }),
              testing::AllOf(HasSubstr("first.weight"), HasSubstr("a checkpoint?")));
  EXPECT_FALSE(net->first->weight.grad().defined());
  const auto unseen = [&](Tensor x) {  // no parameter before it: autograd would leave it out
    const Tensor rows = x.detach().requires_grad_();
    return net->forward(x) + Checkpoint::apply(rows, &net->first->weight).slice(1, 0, 2);
  };
  EXPECT_THAT(message_of([&] { release(GradMode::kExactSlow, unseen); }),
              HasSubstr("behind which no trained parameter lies"));
}

TEST_F(GradModes, ExactSlowKeepsABrokenUnitToItself) {
  data.x_[17] = NAN;
  const auto forward = [&](Tensor x) { return net->forward(x); };
  PrivacyOptions options = usual();
  options.batch_size = 200;  // all
  const Tensor slow = release(GradMode::kExactSlow, forward, options);
  EXPECT_TRUE(slow.isfinite().all().item<bool>());
  EXPECT_LE((slow - release(GradMode::kGraph, forward, options)).abs().max().item<double>(), 1e-4);
}

// A function of parameters: the engine asks autograd for its gradients, past its own guard.
TEST_F(GradModes, AgreeOnAFunctionOfParameters) {
  const auto forward = [&](Tensor x) { return net->forward(x) * net->second->bias.exp(); };
  const Tensor graph = release(GradMode::kGraph, forward), slow = release(GradMode::kExactSlow, forward);
  EXPECT_LE((graph - slow).abs().max().item<double>(), 1e-3);
}

TEST_F(GradModes, AnotherBatchDimension) {
  PrivacyOptions options = usual();
  const Tensor usual_way = release(
      GradMode::kGraph, [&](Tensor x) { return net->forward(x); }, options);
  options.batch_dimension = 1;
  for (const GradMode mode : {GradMode::kGraph, GradMode::kExactSlow})
    EXPECT_LE((usual_way - release(
                               mode, [&](Tensor x) { return net->forward(x).t(); }, options))
                  .abs()
                  .max()
                  .item<double>(),
              1e-3);
}

TEST_F(GradModes, TheFirstBatchIsChecked) {
  PrivacyOptions options = usual();
  options.check_first_batch = true;
  const auto detached = [&](Tensor x) { return net->forward(x - x.mean(0).detach()); };
  EXPECT_THAT(message_of([&] { release(GradMode::kGraph, detached, options); }),
              HasSubstr("the model mixes samples"));
  // As many positions as samples, and the wrong ones as rows of the output.
  const auto turned = [&](Tensor x) { return net->forward(x + 0).mm(torch::ones({2, x.size(0)})).t(); };
  EXPECT_THAT(message_of([&] { release(GradMode::kGraph, turned, options); }), HasSubstr("mixes samples"));
  release(
      GradMode::kGraph, [&](Tensor x) { return net->forward(x); }, options);
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) {
    EXPECT_THAT(message_of([&] { made->watch(net->forward(batch.data)); }), HasSubstr("check_first_batch"));
    break;
  }
}

// By either way, with nearly no noise and every unit in the draw.
TEST_F(GradModes, WeighUnits) {
  for (const GradMode mode : {GradMode::kGraph, GradMode::kExactSlow}) {
    const auto released = [&](double weight) {
      PrivacyOptions options = usual();
      options.batch_size = 200;
      options.noise_multiplier = 1e-6;
      options.clipping.max_weight = 4;
      options.grad_mode = mode;
      const auto made = engine(options);
      for (const auto& batch : made->loader(data, 1)) {
        optimizer.zero_grad();
        const Tensor out = made->watch([&](Tensor x) { return net->forward(x); }, batch.data);
        made->weigh(torch::full({200}, weight));
        EXPECT_THAT(message_of([&] { made->weigh(torch::full({200}, 4.1)); }), HasSubstr("max_weight"));
        EXPECT_THAT(message_of([&] { made->weigh(torch::ones({3})); }), HasSubstr("one number for each"));
        loss(out, batch.target).backward();
      }
      return gradients();
    };
    const Tensor one = released(1), three = released(3), none = released(0);
    EXPECT_LE((three - 3 * one).norm().item<double>(), 1e-4 * one.norm().item<double>());
    EXPECT_LE(none.norm().item<double>(), 1e-4 * one.norm().item<double>());
  }
}

TEST_F(GradModes, RefuseWhatDoesNotGoTogether) {
  const auto with = [&](const std::function<void(PrivacyOptions&)>& change) {
    PrivacyOptions options = usual();
    change(options);
    return message_of([&] { PrivacyEngine made(net, options); });
  };
  EXPECT_THAT(with([](auto& o) {
                o.adaptive_clipping.emplace();
                o.clipping.normalise = true;
              }),
              HasSubstr("adaptive_clipping"));
  EXPECT_THAT(with([](auto& o) { o.batch_dimension = -1; }), HasSubstr("batch_dimension"));
  PrivacyOptions options = usual();
  options.grad_mode = GradMode::kExactSlow;
  const auto made = engine(options);
  for (const auto& batch : made->loader(data, 1)) {
    EXPECT_THAT(message_of([&] { made->watch(net->forward(batch.data)); }), HasSubstr("watch(model, rows)"));
    break;
  }
}

}  // namespace
}  // namespace discreet
