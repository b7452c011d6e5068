#include "discreet/model/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/model/network.h"

namespace discreet {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::string& text) {
  try {
    Architecture::parse(parse_json(text, "architecture"));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    return error.what();
  }
  return "";
}

std::string with_layers(const std::string& layers) {
  return R"({"input": [1, 28, 28], "layers": [)" + layers + R"(], "outputs": 10})";
}

const char* const kFlat = R"({"type": "flatten"}, )";

TEST(Architecture, BadDocumentsAreNamedByTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[1]", "architecture: must be an object"},
      {R"({"input": [4], "outputs": 2})", "architecture.layers: is missing"},
      {R"({"input": [4], "layers": [], "outputs": 2})",
       "architecture.layers: end with the shape [4], but outputs is 2"},
      {R"({"input": [4], "layers": [], "outputs": 4})", "architecture.layers: have no parameter to train"},
      {R"({"input": [4, 4], "layers": [], "outputs": 2})", "architecture.input: must be [features]"},
      {R"({"input": [4, 0, 4], "layers": [], "outputs": 2})",
       "architecture.input[1]: must be a whole number from 1"},
      {R"({"input": [4000, 4000, 4000], "layers": [], "outputs": 2})", "architecture.input: has more than"},
      {R"({"input": "4", "layers": [], "outputs": 2})", "architecture.input: must be a list"},
      {R"({"input": [4], "layer": [], "layers": [], "outputs": 4})",
       R"(unknown field "layer", did you mean 'layers'?)"},
      {with_layers(R"({"type": "liner", "outputs": 10})"),
       R"(architecture.layers[0].type: is "liner", did you mean 'linear'?; allowed: linear, conv2d)"},
      {with_layers(R"({"type": "linear", "outputs": 10})"),
       "architecture.layers[0]: linear needs [features], has [1, 28, 28]"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 0})")),
       "layers[1].outputs: must be a whole number"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 1.5})")),
       "layers[1].outputs: must be a whole number"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 1e400})")), "is not valid JSON"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 18446744073709551615})")),
       "layers[1].outputs"},
      {with_layers(kFlat + std::string(R"({"type": "linear"})")), "layers[1].outputs: is missing"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 10, "biass": true})")),
       "did you mean 'bias'?"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 10, "bias": 1})")),
       "bias: must be true or false"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 11})")),
       "end with the shape [11], but outputs is 10"},
      {with_layers(R"({"type": "conv2d", "channels": 4, "kernel": 29})"),
       "layers[0].kernel: is larger than its input"},
      {with_layers(R"({"type": "conv2d", "channels": 4, "kernel": [3, 3, 3]})"),
       "layers[0].kernel: must be one whole number or two"},
      {with_layers(R"({"type": "conv2d", "channels": 4, "kernel": 3, "padding": 3})"),
       "layers[0].padding: must be smaller"},
      {with_layers(R"({"type": "conv2d", "channels": 1048576, "kernel": 1})"),
       "layers[0]: gives [1048576, 28, 28]"},
      {with_layers(R"({"type": "group_norm", "groups": 2})"),
       "layers[0].groups: must be a whole number from 1 to 1"},
      {with_layers(R"({"type": "max_pool2d", "kernel": 30})"), "layers[0].kernel: is larger"},
      {with_layers(R"({"type": "tanh", "scale": 0})"),
       "layers[0].scale: must be a number from 0.001 to 1000"},
      {with_layers(kFlat + std::string(R"({"type": "linear", "outputs": 500000})")),
       "more than 268435456 parameters"},
      {R"({"input": [1, 6, 28], "fixed": [{"type": "scattering"}], "layers": [], "outputs": 2})",
       "architecture.fixed[0]: scattering needs"},
      {R"({"input": [3, 8, 8], "fixed": [{"type": "standardise", "mean": [0, 0], "stddev": 1}], "layers": [], "outputs": 2})",
       "architecture.fixed[0].mean: must be one number or a list of 3"},
      {R"({"input": [4], "input": [4], "layers": [], "outputs": 4})", R"(has the key "input" twice)"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(error_of(text), AllOf(HasSubstr(message), Not(HasSubstr("\n")))) << text;
  }
}

TEST(Architecture, DeepNestingIsRefusedNotFollowed) {
  EXPECT_THAT(error_of(std::string(100'000, '[')), HasSubstr("nested deeper"));
}

// One example of each kind, so that a new kind cannot be forgotten: what it says about shapes and parameters
// is what libtorch then does.
TEST(Architecture, EveryLayerDoesWhatItSays) {
  const std::vector<std::pair<std::string, Json>> examples = {
      {"linear", {{"outputs", 7}}},
      {"conv2d", {{"channels", 6}, {"kernel", {3, 5}}, {"stride", {2, 3}}, {"padding", {1, 0}}}},
      {"group_norm", {{"groups", 2}}},
      {"layer_norm", Json::object()},
      {"tanh", {{"scale", 1.6}, {"slope", 0.5}}},
      {"relu", Json::object()},
      {"max_pool2d", {{"kernel", {2, 3}}}},
      {"avg_pool2d", {{"kernel", 3}, {"stride", 2}}},
      {"flatten", Json::object()}};
  ASSERT_EQ(examples.size(), layer_kinds().size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const LayerKind& kind = layer_kinds()[i];
    ASSERT_EQ(kind.name, examples[i].first);
    const Shape in = kind.name == "linear" ? Shape{5} : Shape{4, 11, 13};
    Fields fields(examples[i].second, kind.name);
    const Layer layer = kind.read(fields, in);
    fields.finish();
    torch::nn::AnyModule module = layer.build();
    int64_t parameters = 0;
    for (const torch::Tensor& parameter : module.ptr()->parameters()) parameters += parameter.numel();
    EXPECT_EQ(parameters, layer.parameters) << kind.name;
    Shape batch = in;
    batch.insert(batch.begin(), 3);
    const torch::Tensor out = module.forward<torch::Tensor>(torch::randn(batch));
    EXPECT_EQ(out.sizes().slice(1).vec(), layer.out) << kind.name;
    EXPECT_TRUE(module.ptr()->buffers().empty()) << kind.name;  // a buffer could carry data out
  }
}

TEST(Architecture, EveryFixedTransformDoesWhatItSaysForEachRecordAlone) {
  const std::vector<std::pair<std::string, Json>> examples = {
      {"shrink", {{"longest", 10}}},
      {"scattering", Json::object()},
      {"group_normalise", {{"channels_per_group", 2}}},
      {"standardise", {{"mean", {0.1, 0.2, 0.3, 0.4}}, {"stddev", 2}}},
      {"flatten", Json::object()}};
  ASSERT_EQ(examples.size(), fixed_kinds().size());
  torch::manual_seed(1);
  const torch::Tensor x = torch::rand({5, 4, 12, 9});
  for (size_t i = 0; i < examples.size(); ++i) {
    const FixedKind& kind = fixed_kinds()[i];
    ASSERT_EQ(kind.name, examples[i].first);
    Fields fields(examples[i].second, kind.name);
    const FixedTransform transform = kind.read(fields, {4, 12, 9});
    fields.finish();
    const Transform apply = transform.build();
    const torch::Tensor out = apply(x);
    EXPECT_EQ(out.sizes().slice(1).vec(), transform.out) << kind.name;
    EXPECT_TRUE(torch::allclose(apply(x.slice(0, 2, 3))[0], out[2], 1e-6, 1e-7)) << kind.name;
  }
}

TEST(FixedTransforms, NumbersAreTheFormulas) {
  torch::manual_seed(2);
  const torch::Tensor x = torch::rand({3, 4, 12, 9});
  auto run = [&](size_t kind, const Json& json) {
    Fields fields(json, "test");
    return fixed_kinds()[kind].read(fields, {4, 12, 9}).build()(x);
  };
  const torch::Tensor normal = run(2, {{"channels_per_group", 2}, {"epsilon", 1e-6}}).reshape({6, -1});
  const torch::Tensor groups = x.reshape({6, -1});
  const torch::Tensor expected = (groups - groups.mean(1, true)) / (groups.var(1, false, true) + 1e-6).sqrt();
  EXPECT_TRUE(torch::allclose(normal, expected, 1e-4, 1e-5));
  const torch::Tensor standard = run(3, {{"mean", {0.1, 0.2, 0.3, 0.4}}, {"stddev", 2}});
  EXPECT_NEAR(standard[1][3][5][6].item<double>(), (x[1][3][5][6].item<double>() - 0.4) / 2, 1e-6);
}

TEST(FixedTransforms, ShrinkAveragesAreasOfLargeImagesOnly) {
  auto shrink = [](const Shape& in, int64_t longest) {
    const Json json = {{"longest", longest}};
    Fields fields(json, "test");
    return fixed_kinds()[0].read(fields, in);
  };
  EXPECT_EQ(shrink({1, 28, 28}, 32).out, (Shape{1, 28, 28}));
  EXPECT_EQ(shrink({3, 224, 160}, 32).out, (Shape{3, 32, 23}));
  EXPECT_EQ(shrink({3, 8, 640}, 32).out, (Shape{3, 8, 32}));
  EXPECT_EQ(shrink({3, 5, 640}, 32).out, (Shape{3, 5, 32}));
  torch::manual_seed(3);
  const torch::Tensor x = torch::rand({2, 3, 64, 32});
  const torch::Tensor expected = torch::avg_pool2d(x, 2);
  EXPECT_TRUE(torch::allclose(shrink({3, 64, 32}, 32).build()(x), expected, 1e-5, 1e-6));
}

}  // namespace
}  // namespace discreet
