#include "discreet/model/preset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/error.h"
#include "discreet/model/network.h"

namespace discreet {
namespace {

std::string error_of(const std::string& name, const PresetFacts& facts) {
  try {
    make_preset(name, facts);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(Presets, EachBuildsForWhatItIsFor) {
  for (const PresetText& preset : preset_texts()) {
    const Json document = Json::parse(preset.text);
    for (const Shape& input : std::vector<Shape>{{1, 28, 28}, {3, 32, 40}, {3, 600, 9}, {57}}) {
      const bool serves =
          document["for"] == "anything" || (document["for"] == "images") == (input.size() == 3);
      if (!serves) continue;
      const Json made = make_preset(preset.name, {input, 5, 1000, 3});
      Network network(made["architecture"]);
      Shape batch = input;
      batch.insert(batch.begin(), 2);
      const torch::Tensor out = network.forward(network.fixed_features(torch::rand(batch)));
      EXPECT_EQ(out.sizes(), (torch::IntArrayRef{2, 5})) << preset.name;
    }
  }
}

TEST(Presets, BatchSizeFollowsTheNumberOfRecordsWithinBounds) {
  auto batch = [](double records) {
    return make_preset("scatter-linear", {{1, 28, 28}, 10, records, 3})["training"]["batch_size"]
        .get<int64_t>();
  };
  EXPECT_NEAR(static_cast<double>(batch(60000)), 8192, 10);
  EXPECT_EQ(batch(1e7), 8192);
  EXPECT_EQ(batch(200), 64);
  EXPECT_EQ(batch(40), 20);  // never more than half
  EXPECT_EQ(batch(1), 1);
}

TEST(Presets, LearningRateFollowsRecordsTimesEpsilonWithinBounds) {
  auto rate = [](double records, double epsilon) {
    return make_preset("scatter-linear", {{1, 28, 28}, 10, records, epsilon})["training"]["learning_rate"]
        .get<double>();
  };
  EXPECT_DOUBLE_EQ(rate(60000, 2), 15);
  EXPECT_DOUBLE_EQ(rate(30000, 2), 7.5);
  EXPECT_DOUBLE_EQ(rate(1e7, 2), 24);
  EXPECT_DOUBLE_EQ(rate(100, 0.1), 0.05);
  EXPECT_THROW(rate(100, 0), Error);
  EXPECT_THROW(rate(100, std::nan("")), Error);
}

// A squared error has a curvature, the square of a record's length: no step may be longer than it allows, and
// nothing but the number of records, epsilon and the shape decides.
TEST(Presets, ARegressionTakesStepsThatASquaredErrorBears) {
  const auto training = [](double records, double epsilon, double squared_length, bool regression) {
    return make_preset("table",
                       {{57}, regression ? 1 : 2, records, epsilon, regression, squared_length})["training"];
  };
  const auto rate = [&](double records, double epsilon, double squared_length) {
    return training(records, epsilon, squared_length, true)["learning_rate"].get<double>();
  };
  const auto clip = [&](double records, double epsilon, double squared_length) {
    return training(records, epsilon, squared_length, true)["max_grad_norm"].get<double>();
  };
  EXPECT_DOUBLE_EQ(rate(1000, 1, 1), 0.3);
  EXPECT_DOUBLE_EQ(rate(1000, 1, 20), 0.015);
  EXPECT_DOUBLE_EQ(rate(20000, 3, 1), 0.6);
  EXPECT_DOUBLE_EQ(rate(1e7, 8, 20), 0.05);
  EXPECT_DOUBLE_EQ(clip(1000, 1, 25), 1.5);
  EXPECT_DOUBLE_EQ(clip(1e7, 8, 25), 5);
  // Heavy-ball descent on a curvature of squared_length converges below 2 (1 + momentum) / squared_length.
  for (const double length : {1.0, 10.0, 300.0}) EXPECT_LT(rate(1e9, 100, length) * length, 2 * 1.9);
  EXPECT_EQ(training(20000, 3, 20, false), training(20000, 3, 1, false))
      << "classes do not look at the length";
  EXPECT_DOUBLE_EQ(training(20000, 3, 20, false)["max_grad_norm"].get<double>(), 1);
  EXPECT_THROW(rate(1000, 1, 0), Error);
}

TEST(Presets, TheSameFactsGiveTheSameBytes) {
  for (const char* name : {"scatter-linear", "cnn"}) {
    EXPECT_EQ(make_preset(name, {{1, 28, 28}, 10, 6e4, 3}).dump(),
              make_preset(name, {{1, 28, 28}, 10, 6e4, 3}).dump());
  }
}

TEST(Presets, UnknownNamesAndUnfitRecordsAreRefused) {
  EXPECT_THAT(error_of("scater-linear", {{1, 28, 28}, 10, 6e4, 3}),
              testing::AllOf(testing::HasSubstr("did you mean 'scatter-linear'?"),
                             testing::HasSubstr("allowed: auto, linear")));
  EXPECT_THAT(error_of("cnn", {{57}, 10, 6e4, 3}),
              testing::HasSubstr("preset cnn for records of shape [57]"));
  EXPECT_THAT(error_of("table", {{1, 28, 28}, 10, 6e4, 3}),
              testing::HasSubstr("preset table for records of shape"));
  EXPECT_THAT(error_of("table", {{57}, 2, 0, 3}), testing::HasSubstr("number of records must be at least 1"));
}

TEST(Presets, AutoDependsOnTheShapeAlone) {
  EXPECT_EQ(auto_preset({1, 28, 28}), "scatter-linear");
  EXPECT_EQ(auto_preset({3, 8, 2000}), "scatter-linear");
  EXPECT_EQ(auto_preset({3, 7, 28}), "linear");
  EXPECT_EQ(auto_preset({561}), "table");
}

}  // namespace
}  // namespace discreet
