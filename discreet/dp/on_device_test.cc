// What is worked at as on a device: the same sums, within their bounds, and no number read.
//
// DISCREET_AS_ON_DEVICE=1 has this whole program work so: CTest runs the rules' harness both ways.
#include "discreet/dp/on_device.h"

#include <ATen/record_function.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include "discreet/dp/clip.h"
#include "discreet/dp/engine_testing.h"
#include "discreet/dp/noise.h"
#include "discreet/dp/rules/rules_testing.h"

namespace discreet {
namespace {

using at::Tensor;

class WholeProgram : public testing::Environment {
  void SetUp() override {
    const char* asked = std::getenv("DISCREET_AS_ON_DEVICE");
    if (asked != nullptr && asked[0] == '1') as_on_device_ = std::make_unique<internal::AsOnDevice>();
  }
  void TearDown() override { as_on_device_.reset(); }
  std::unique_ptr<internal::AsOnDevice> as_on_device_;
};

[[maybe_unused]] const testing::Environment* const environment =
    testing::AddGlobalTestEnvironment(new WholeProgram);

// The true gradient is tiny beside its terms: no single sample is computed again here, so its norm is taken
// for larger than it is.
TEST(OnDevice, WhatCancelsStaysWithinTheSensitivity) {
  const internal::AsOnDevice as_on_device;
  torch::manual_seed(3);
  const int64_t t = 64;
  for (const auto type : {at::kFloat, at::kDouble})
    for (const double residue : {1e-1, 1e-3, 1e-5, 1e-7, 1e-9})
      for (const int64_t width : {3, 300}) {  // direct and ghost norms
        const Tensor w = torch::zeros({width, width}, type).requires_grad_();
        const Tensor x = torch::randn({1, 1, width}, type) + torch::randn({1, t, width}, type) * residue;
        Tensor sign = torch::ones({1, t, 1}, type);
        sign.slice(1, 1, t, 2).fill_(-1);
        const Tensor g = (torch::randn({1, 1, width}, type) * sign).contiguous();
        const Tensor truth = torch::bmm(g.transpose(1, 2).to(at::kDouble), x.to(at::kDouble))[0];
        const double clip = truth.norm().item<double>() / 3;
        if (clip == 0) continue;
        Clipper clipper({{"w", w}}, clip);
        clipper.add(torch::matmul(x, w.t()), g);
        const ClippedSum sum = clipper.take();
        const Tensor part = sum.tensors()[0];
        EXPECT_LE(part.norm().item<double>(), sum.sensitivity()) << type << " " << residue << " " << width;
        EXPECT_GT(part.norm().item<double>(), 0) << type << " " << residue << " " << width;
        if (residue < 1e-2) continue;
        EXPECT_LE((part - truth / 3).norm().item<double>(), 1e-3 * clip) << type << " " << width;
      }
}

// Which operations ran that give the processor a number of a tensor, or sizes that follow from numbers.
class Reads {
 public:
  Reads()
      : handle_(
            at::addThreadLocalCallback(at::RecordFunctionCallback(see).scopes({at::RecordScope::FUNCTION}))) {
    seen.clear();
  }
  ~Reads() { at::removeCallback(handle_); }
  static inline thread_local std::set<std::string> seen;

 private:
  static std::unique_ptr<at::ObserverContext> see(const at::RecordFunction& function) {
    static const std::set<std::string> readers = {"aten::_local_scalar_dense",
                                                  "aten::item",
                                                  "aten::is_nonzero",
                                                  "aten::equal",
                                                  "aten::nonzero",
                                                  "aten::_unique2",
                                                  "aten::unique_dim",
                                                  "aten::unique_consecutive",
                                                  "aten::masked_select",
                                                  "aten::bincount",
                                                  "aten::repeat_interleave",
                                                  "aten::allclose"};
    if (readers.count(function.name())) seen.insert(function.name());
    return nullptr;
  }
  at::CallbackHandle handle_;
};

// The same with tensors that have no numbers, the whole engine from Python: python/tests/test_on_device.py.
TEST(OnDevice, NormsAndSumsReadNothing) {
  const internal::AsOnDevice as_on_device;
  const std::set<std::string> by_values = {
      // Which rows of a table are looked up for the whole batch, once.
      "positions looked up once for the whole batch", "positions of which one is the padding token",
      "tokens and positions, both looked up, tied to the output", "tokens and positions, normalised and not",
      // libtorch's own backward of cumprod.
      "element by element and along a row"};
  for (const auto& list :
       {testing_models::layer_models(), testing_models::product_models(), testing_models::layout_models(),
        testing_models::parameter_models(), testing_models::recurrent_models()})
    for (const auto& model : list) {
      std::vector<TrainedParameter> parameters;
      testing_models::Tensors trained;
      for (const auto& shape : model.shapes) {
        trained.push_back(testing_models::normal(shape).to(at::kFloat).requires_grad_());
        parameters.push_back({"p" + std::to_string(trained.size()), trained.back()});
      }
      Tensor x = model.input(6);
      if (x.is_floating_point()) x = x.to(at::kFloat);
      const Tensor out = model.forward(trained, x), other = model.forward(trained, x);
      Clipper clipper(parameters, 1.0);
      const Reads reads;
      clipper.add(out, at::ones_like(out));
      clipper.add(other, at::ones_like(other), {0, 1, 4});
      const ClippedSum sum = clipper.take();
      const bool read = !Reads::seen.empty();
      EXPECT_EQ(read, by_values.count(model.name) > 0)
          << model.name << ": " << testing::PrintToString(Reads::seen);
    }
}

// Writes what it saw into a buffer, in a way that libtorch's versions do not count.
struct Keeper : torch::nn::Module {
  Keeper() {
    layer = register_module("layer", torch::nn::Linear(4, 2));
    seen = register_buffer("seen", torch::zeros({4}));
    other = register_buffer("other", torch::ones({3}));
  }
  Tensor forward(const Tensor& x) {
    if (keeps) Tensor(seen.variable_data()).add_(x.detach().mean(0));
    return layer(x);
  }
  torch::nn::Linear layer{nullptr};
  Tensor seen, other;
  bool keeps = false;
};

TEST(OnDevice, ABufferThatTookDataInIsRefusedAndHoldsAgainWhatItHeld) {
  const internal::AsOnDevice as_on_device;
  Points points(200);
  for (const bool asked : {false, true}) {
    auto model = std::make_shared<Keeper>();
    PrivacyEngine engine(model, usual());
    torch::optim::SGD optimizer(model->parameters(), 0.1);
    engine.attach(optimizer);
    int64_t draws = 0;
    const std::string message = message_of([&] {
      for (const Batch& batch : engine.loader(points)) {
        model->keeps = ++draws == 4;
        optimizer.zero_grad();
        torch::cross_entropy_loss(engine.watch(model->forward(batch.data)), batch.target).backward();
        optimizer.step();
        if (asked && draws == 6) engine.epsilon(1e-5);
      }
    });
    EXPECT_THAT(message, testing::HasSubstr("buffer 'seen' changed")) << asked;
    EXPECT_EQ(draws, asked ? 6 : 10);
    EXPECT_TRUE(torch::equal(model->seen, torch::zeros({4})));
    EXPECT_TRUE(torch::equal(model->other, torch::ones({3})));
  }
}

TEST(OnDevice, ParametersOnTwoAreRefused) {
  const Tensor here = torch::zeros({2}).requires_grad_();
  const Tensor there = torch::empty({2}, at::TensorOptions(at::kMeta)).requires_grad_();
  EXPECT_THAT(message_of([&] {
                Clipper({{"a", here}, {"b", there}}, 1.0);
              }),
              testing::HasSubstr("parameter 'b' is on device meta and 'a' on cpu"));
}

}  // namespace
}  // namespace discreet
