#include "discreet/dp/block_sum.h"

#include <gtest/gtest.h>

namespace discreet {
namespace {

TEST(BlockSum, OfBlocksAndDoubles) {
  const at::Tensor parameter = torch::zeros({2, 3});
  const auto buffers = std::make_shared<GradientBuffers>();
  BlockSum sum(parameter, buffers);
  EXPECT_EQ(sum.total().abs().sum().item<double>(), 0);
  for (size_t i = 0; i < BlockSum::kMostBlocks; ++i) {
    at::Tensor block = sum.new_block();
    ASSERT_TRUE(block.defined());
    sum.add_block(block.fill_(1));
  }
  EXPECT_FALSE(sum.new_block().defined());
  ASSERT_NE(sum.blocks(), nullptr);
  sum.doubles().add_(0.5);
  EXPECT_EQ(sum.blocks(), nullptr);
  EXPECT_FALSE(sum.new_block().defined());
  EXPECT_EQ(sum.total().scalar_type(), torch::kDouble);
  EXPECT_TRUE(torch::equal(sum.total(), torch::full({2, 3}, BlockSum::kMostBlocks + 0.5, torch::kDouble)));
}

// Memory that somebody still sees would show him the next sum without its noise.
TEST(GradientBuffers, AreNotUsedAgainWhileSomebodyHoldsThem) {
  const at::Tensor parameter = torch::zeros({4, 2});
  GradientBuffers buffers;
  const void* first;
  {
    const at::Tensor held = buffers.take(parameter);
    first = held.data_ptr();
    EXPECT_NE(buffers.take(parameter).data_ptr(), first);
  }
  EXPECT_EQ(buffers.take(parameter).data_ptr(), first);
  const at::Tensor part = buffers.take(parameter).variable_data();  // another tensor with its memory
  for (int i = 0; i < 5; ++i) EXPECT_NE(buffers.take(parameter).storage().data(), part.storage().data());
  std::vector<at::Tensor> all;
  for (int i = 0; i < 10; ++i) all.push_back(buffers.take(parameter));
  for (int i = 0; i < 10; ++i)
    for (int j = 0; j < i; ++j) EXPECT_NE(all[i].data_ptr(), all[j].data_ptr());
}

}  // namespace
}  // namespace discreet
