#include "discreet/model/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/model/fields.h"

namespace discreet {
namespace {

Json small_cnn() {
  return parse_json(R"({"input": [2, 9, 8],
    "fixed": [{"type": "standardise", "mean": 0.5, "stddev": 0.25}],
    "layers": [{"type": "conv2d", "channels": 4, "kernel": 3}, {"type": "group_norm", "groups": 2},
               {"type": "tanh", "scale": 2, "slope": 0.5}, {"type": "max_pool2d", "kernel": 2},
               {"type": "flatten"}, {"type": "linear", "outputs": 3}],
    "outputs": 3})",
                    "test");
}

TEST(Network, NamesAreThePlacesInTheDocument) {
  Network network(small_cnn());
  std::vector<std::string> names;
  for (const auto& item : network.named_parameters()) names.push_back(item.key());
  EXPECT_THAT(names, testing::ElementsAre("layers.0.weight", "layers.0.bias", "layers.1.weight",
                                          "layers.1.bias", "layers.5.weight", "layers.5.bias"));
  EXPECT_TRUE(network.buffers().empty());
}

TEST(Network, ComputesWhatTheDocumentSays) {
  torch::manual_seed(1);
  Network network(small_cnn());
  const torch::Tensor x = torch::rand({5, 2, 9, 8});
  const torch::Tensor features = network.fixed_features(x);
  EXPECT_TRUE(torch::allclose(features, (x - 0.5) / 0.25, 1e-5, 1e-6));
  EXPECT_FALSE(features.requires_grad());
  const auto p = network.parameters();
  torch::Tensor y = torch::conv2d(features, p[0], p[1]);
  y = 2 * torch::tanh(0.5 * torch::group_norm(y, 2, p[2], p[3]));
  y = torch::linear(torch::max_pool2d(y, 2).flatten(1), p[4], p[5]);
  EXPECT_TRUE(torch::allclose(network.forward(features), y, 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(network.forward(features.to(torch::kHalf)), y, 2e-2, 2e-2));
  EXPECT_EQ(network.forward(features.slice(0, 0, 0)).sizes(), (torch::IntArrayRef{0, 3}));  // an empty draw
}

TEST(Network, AWrongShapeIsOneClearLine) {
  Network network(small_cnn());
  try {
    network.fixed_features(torch::rand({5, 1, 9, 8}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_THAT(error.what(),
                testing::HasSubstr("[5, 1, 9, 8]; the architecture wants [records] followed by [2, 9, 8]"));
  }
  EXPECT_THROW(network.forward(torch::rand({5, 9, 8})), Error);
}

TEST(Network, ZerosMeansZeros) {
  Network network(parse_json(
      R"({"input": [6], "layers": [{"type": "linear", "outputs": 4, "init": "zeros"}], "outputs": 4})", "t"));
  for (const torch::Tensor& parameter : network.parameters())
    EXPECT_EQ(parameter.abs().max().item<float>(), 0);
}

TEST(Network, FirstValuesComeFromTheGeneratorAlone) {
  torch::manual_seed(9);
  Network a(small_cnn());
  torch::manual_seed(9);
  Network b(small_cnn());
  for (const auto& item : a.named_parameters())
    EXPECT_TRUE(torch::equal(item.value(), b.named_parameters()[item.key()]));
}

}  // namespace
}  // namespace discreet
