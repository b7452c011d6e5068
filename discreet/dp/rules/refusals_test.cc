// What the rules must refuse: parameters whose gradient is not a sum over the samples, or mixes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "discreet/base/error.h"
#include "discreet/dp/clip.h"

namespace discreet {
namespace {

using at::Tensor;
using testing::AllOf;
using testing::HasSubstr;
using Parameters = std::vector<TrainedParameter>;

// The message with which the clipper refuses a model of trained parameters "p0", "p1", ...
std::string refusal(const std::vector<std::vector<int64_t>>& shapes,
                    const std::function<Tensor(const std::vector<Tensor>&)>& forward) {
  torch::manual_seed(9);
  std::vector<Tensor> values;
  Parameters parameters;
  for (const auto& shape : shapes) {
    values.push_back(torch::rand(shape).requires_grad_());
    parameters.push_back({"p" + std::to_string(parameters.size()), values.back()});
  }
  const Tensor out = forward(values);
  try {
    Clipper clipper(parameters, 1.0);
    clipper.add(out, torch::ones_like(out));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    return error.what();
  }
  return "no Error";
}

// Padded by 1 in front and by -1 behind, a dimension keeps its size, but row i is the one before it.
TEST(RefusedOnTheWay, RowsOfTheBatchMovedByPadding) {
  const Tensor x = torch::rand({6, 4});
  EXPECT_THAT(refusal({{3, 4}},
                      [&](const auto& p) {
                        const Tensor h = torch::linear(x, p[0]);
                        return h + torch::constant_pad_nd(h, {0, 0, 1, -1});
                      }),
              HasSubstr("mixes the samples"));
}

TEST(RefusedOnTheWay, EmptyTensors) {
  const Tensor x = torch::rand({6, 4});
  EXPECT_THAT(refusal({{3, 4}},
                      [&](const auto& p) {
                        const Tensor h = torch::linear(x, p[0]);
                        return torch::cat({h, h.slice(1, 0, 0).clone()}, 1);
                      }),
              HasSubstr("empty"));
}

// The batch itself is not behind the output's graph: only the rule can see that its statistics mix samples.
TEST(RefusedByRule, TheGainAndTheShiftOfStatisticsOfTheBatch) {
  const Tensor x = torch::rand({6, 4, 3});
  EXPECT_THAT(
      refusal({{4}},
              [&](const auto& p) { return torch::batch_norm(x, p[0], {}, {}, {}, true, 0.1, 1e-5, false); }),
      AllOf(HasSubstr("'p0'"), HasSubstr("training mode"), HasSubstr("group normalisation")));
  EXPECT_THAT(
      refusal({{4}},
              [&](const auto& p) { return torch::batch_norm(x, {}, p[0], {}, {}, true, 0.1, 1e-5, false); }),
      HasSubstr("training mode"));
}

TEST(RefusedByRule, BagsThatCountTheTokensOfTheBatch) {
  const Tensor tokens = torch::randint(0, 5, {12}), offsets = torch::arange(0, 12, 3);
  EXPECT_THAT(
      refusal({{5, 3}},
              [&](const auto& p) {
                return std::get<0>(torch::embedding_bag(p[0], tokens, offsets, /*scale_grad_by_freq=*/true));
              }),
      HasSubstr("scale_grad_by_freq"));
}

TEST(RefusedByRule, TrainedWeightsOfTokens) {
  const Tensor tokens = torch::randint(0, 5, {12}), offsets = torch::arange(0, 12, 3);
  EXPECT_THAT(
      refusal({{5, 3}, {12}},
              [&](const auto& p) {
                return std::get<0>(torch::embedding_bag(p[0], tokens, offsets, false, 0, false, p[1]));
              }),
      HasSubstr("'p1'"));
}

TEST(RefusedByRule, AParameterWithRowsOfItsOwnForTheBatch) {
  const Tensor x = torch::rand({6, 2, 4});
  EXPECT_THAT(refusal({{6, 4, 3}}, [&](const auto& p) { return x.bmm(p[0]); }), HasSubstr("of its own"));
  EXPECT_THAT(refusal({{3, 4}},
                      [&](const auto& p) {
                        return x.flatten(1) * p[0].repeat({2, 2});
                      }),
              HasSubstr("repeated parameter"));
  EXPECT_THAT(refusal({{6, 1, 1}}, [&](const auto& p) { return torch::where(x > 0.5, x, p[0]); }),
              HasSubstr("of its own"));
}

TEST(RefusedByRule, AMatrixOfWhichTheRowsAreTheBatch) {
  const Tensor v = torch::rand({4}), x = torch::rand({3, 4, 5});
  EXPECT_THAT(refusal({{6, 4}}, [&](const auto& p) { return p[0].mv(v); }), HasSubstr("rows of the batch"));
  EXPECT_THAT(refusal({{3, 6, 4}}, [&](const auto& p) { return p[0].bmm(x).transpose(0, 1); }),
              HasSubstr("rows of the batch"));
}

TEST(RefusedByRule, AnotherProductOfThree) {
  const Tensor a = torch::rand({6, 4}), b = torch::rand({6, 4});
  EXPECT_THAT(
      refusal({{6, 4}}, [&](const auto& p) { return torch::_trilinear(a, p[0], b, {}, {}, {}, {1}); }),
      HasSubstr("another product"));
}

// One row that two samples choose is neither's.
TEST(RefusedByRule, RowsThatSeveralSamplesChoose) {
  const Tensor x = torch::rand({6, 4});
  EXPECT_THAT(refusal({{3, 4}},
                      [&](const auto& p) {
                        return torch::linear(x, p[0]).index({torch::tensor({0, 1, 1, 3, 4, 5})});
                      }),
              HasSubstr("several samples"));
}

TEST(RefusedByRule, NumbersRolledAcrossSamples) {
  const Tensor x = torch::rand({6, 4});
  EXPECT_THAT(refusal({{3, 4}}, [&](const auto& p) { return torch::linear(x, p[0]).roll(1); }),
              HasSubstr("mixes the samples"));
}

}  // namespace
}  // namespace discreet
