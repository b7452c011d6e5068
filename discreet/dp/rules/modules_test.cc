// Networks of libtorch's own modules: the clipped sum beside one-sample-at-a-time gradients of the same
// modules in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "discreet/dp/clip.h"

namespace discreet {
namespace {

using at::Tensor;
using torch::nn::Module;

struct Network {
  std::string name;
  std::shared_ptr<Module> module;
  std::function<Tensor(Tensor)> forward;  // [samples, ...] -> [samples, ...]
  Tensor input;                           // double, or tokens
};

Tensor normal(at::IntArrayRef shape) {
  return torch::randn(shape, torch::kDouble);
}

Tensor flat(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> rows;
  for (const Tensor& tensor : tensors) rows.push_back(tensor.reshape({-1}).to(torch::kDouble));
  return torch::cat(rows);
}

void expect_equal(const Network& network) {
  Module& module = *network.module;
  torch::NoGradGuard no_grad;
  for (Tensor& parameter : module.parameters()) parameter.add_(torch::randn_like(parameter), 0.1);
  module.to(torch::kFloat);
  std::vector<TrainedParameter> parameters;
  for (const auto& item : module.named_parameters()) parameters.push_back({item.key(), item.value()});
  const bool tokens = !network.input.is_floating_point();
  const auto forward = [&](const Tensor& x, at::ScalarType precision) {
    torch::AutoGradMode on(true);
    return network.forward(tokens ? x : x.to(precision));
  };
  const Tensor x = tokens ? network.input : network.input.to(torch::kFloat).to(torch::kDouble);
  const Tensor in_float = forward(x, torch::kFloat);
  const Tensor g = torch::randn(in_float.sizes());

  // One sample at a time, in double, with the same numbers.
  module.to(torch::kDouble);
  std::vector<Tensor> parts;
  std::vector<double> norms;
  for (int64_t i = 0; i < x.size(0); ++i) {
    const Tensor out = forward(x.slice(0, i, i + 1), torch::kDouble);
    torch::AutoGradMode on(true);
    parts.push_back(
        flat(torch::autograd::grad({out}, module.parameters(), {g.slice(0, i, i + 1).to(torch::kDouble)})));
    norms.push_back(parts.back().norm().item<double>());
  }
  std::vector<double> sorted = norms;
  std::sort(sorted.begin(), sorted.end());
  const double clip = sorted[sorted.size() / 2];  // some are clipped, some are not
  Tensor expected = torch::zeros_like(parts[0]);
  for (size_t i = 0; i < parts.size(); ++i) expected += parts[i] * (clip / std::max(norms[i], clip));

  for (auto precision : {torch::kFloat, torch::kDouble}) {
    module.to(precision);
    Clipper clipper(parameters, clip);
    clipper.add(forward(x, precision), g.to(precision));
    const Tensor actual = flat(clipper.take().tensors());
    EXPECT_LE((actual - expected).norm().item<double>(),
              expected.norm().item<double>() * (precision == torch::kFloat ? 1e-4 : 1e-10))
        << network.name;
    EXPECT_GT(clipper.counts().clipped, 0) << network.name;
  }
}

class Modules : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(5); }
};

TEST_F(Modules, TransformerEncoder) {
  torch::nn::TransformerEncoder encoder(
      torch::nn::TransformerEncoderOptions(
          torch::nn::TransformerEncoderLayer(
              torch::nn::TransformerEncoderLayerOptions(8, 2).dim_feedforward(12).dropout(0).activation(
                  torch::kGELU)),
          2)
          .norm(torch::nn::AnyModule(torch::nn::LayerNorm(torch::nn::LayerNormOptions({8})))));
  expect_equal({"encoder", encoder.ptr(),
                [=](Tensor x) mutable { return encoder(x.transpose(0, 1)).mean(0); }, normal({5, 6, 8})});
}

TEST_F(Modules, TransformerDecoder) {
  torch::nn::TransformerDecoder decoder(torch::nn::TransformerDecoderOptions(
      torch::nn::TransformerDecoderLayer(
          torch::nn::TransformerDecoderLayerOptions(8, 2).dim_feedforward(12).dropout(0)),
      2));
  const auto forward = [=](Tensor x) mutable {
    const Tensor t = x.transpose(0, 1), seen = torch::zeros({3, 3}, x.options());
    const Tensor unseen = seen.masked_fill(torch::ones({3, 3}, torch::kBool).triu(1), -1e9);
    return decoder(t.slice(0, 0, 3), t.slice(0, 3), unseen).transpose(0, 1).flatten(1);
  };
  expect_equal({"decoder", decoder.ptr(), forward, normal({5, 7, 8})});
}

TEST_F(Modules, Recurrent) {
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(3, 4).num_layers(2).bidirectional(true).batch_first(true));
  expect_equal({"lstm", lstm.ptr(), [=](Tensor x) mutable { return std::get<0>(lstm(x)).select(1, -1); },
                normal({5, 6, 3})});
  torch::nn::GRU gru(torch::nn::GRUOptions(3, 4).num_layers(2).batch_first(true));
  expect_equal({"gru", gru.ptr(),
                [=](Tensor x) mutable { return std::get<1>(gru(x)).transpose(0, 1).flatten(1); },
                normal({5, 6, 3})});
}

TEST_F(Modules, ConvolutionsAndTheirNormalisation) {
  torch::nn::Sequential images(
      torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(2, 4, 3).stride(2)),
      torch::nn::InstanceNorm2d(torch::nn::InstanceNorm2dOptions(4).affine(true)), torch::nn::PReLU(),
      torch::nn::Conv2d(torch::nn::Conv2dOptions(4, 6, 3).groups(2)),
      torch::nn::GroupNorm(torch::nn::GroupNormOptions(3, 6)),
      torch::nn::PReLU(torch::nn::PReLUOptions().num_parameters(6)),
      torch::nn::AdaptiveAvgPool2d(torch::nn::AdaptiveAvgPool2dOptions(2)), torch::nn::Flatten(),
      torch::nn::BatchNorm1d(24), torch::nn::Linear(24, 3));
  images->eval();  // the batch normalisation has statistics of its own
  expect_equal(
      {"images", images.ptr(), [=](Tensor x) mutable { return images->forward(x); }, normal({6, 2, 4, 5})});
  torch::nn::Sequential volumes(torch::nn::Conv3d(torch::nn::Conv3dOptions(2, 3, {2, 3, 2})),
                                torch::nn::InstanceNorm3d(torch::nn::InstanceNorm3dOptions(3).affine(true)),
                                torch::nn::Softplus(), torch::nn::MaxPool3d(2), torch::nn::Flatten());
  expect_equal({"volumes", volumes.ptr(), [=](Tensor x) mutable { return volumes->forward(x); },
                normal({5, 2, 4, 5, 5})});
}

struct BagsWithWeights : Module {
  torch::nn::EmbeddingBag bags{torch::nn::EmbeddingBagOptions(9, 4).mode(torch::kMean)};
  torch::nn::Embedding words{torch::nn::EmbeddingOptions(9, 3).padding_idx(0)};
  torch::nn::Bilinear both{torch::nn::BilinearOptions(4, 3, 5)};
  BagsWithWeights() {
    register_module("bags", bags);
    register_module("words", words);
    register_module("both", both);
  }
  Tensor forward(Tensor x) { return both(bags(x), words(x).sum(1)).tanh(); }
};

TEST_F(Modules, TablesAndABilinearLayer) {
  auto module = std::make_shared<BagsWithWeights>();
  expect_equal({"tables", module, [=](Tensor x) { return module->forward(x); },
                torch::randint(0, 9, {6, 5}, torch::kLong)});
}

}  // namespace
}  // namespace discreet
