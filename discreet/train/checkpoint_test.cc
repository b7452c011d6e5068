#include "discreet/train/checkpoint.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/train/optimizer.h"

namespace discreet {
namespace {

std::vector<torch::Tensor> weights_from(int64_t seed) {
  torch::manual_seed(seed);
  return {torch::randn({3, 2}).requires_grad_(), torch::randn({4}).requires_grad_()};
}

void some_steps(torch::optim::Optimizer& optimizer, const std::vector<torch::Tensor>& weights,
                TailAverage& average, int first, int last) {
  for (int step = first; step < last; ++step) {
    for (const torch::Tensor& weight : weights)
      weight.mutable_grad() = torch::full_like(weight, 0.1 * (step + 1));
    optimizer.step();
    average.add(step, weights);
  }
}

TEST(Checkpoint, ARestoredRunEndsWhereTheUninterruptedOneDoes) {
  for (const OptimizerChoice& choice : optimizers()) {
    const auto whole = weights_from(1), first = weights_from(1), second = weights_from(2);
    const auto one = choice.make(whole, 0.05, 0.9), two = choice.make(first, 0.05, 0.9),
               three = choice.make(second, 0.05, 0.9);
    TailAverage average_one(0.8, 10), average_two(0.8, 10), average_three(0.8, 10);
    some_steps(*one, whole, average_one, 0, 10);
    some_steps(*two, first, average_two, 0, 6);
    Counters before{.position = 6, .lost = 2, .loss_curve = {1.5, 0.5}}, after;
    load_checkpoint(save_checkpoint(first, *two, average_two, before), second, *three, average_three, after);
    EXPECT_EQ(after.position, 6);
    EXPECT_EQ(after.lost, 2);
    EXPECT_EQ(after.loss_curve, before.loss_curve);
    EXPECT_FALSE(after.next_clip);
    some_steps(*three, second, average_three, 6, 10);
    average_one.apply(whole);
    average_three.apply(second);
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(torch::equal(whole[i], second[i])) << choice.name;
  }
}

TEST(Checkpoint, KeepsTheClipThatTheReleasesHaveSet) {
  const auto weights = weights_from(1);
  const auto optimizer = make_optimizer("sgd", weights, 0.1, 0.9);
  TailAverage average(0.5, 4);
  Counters before{.position = 3, .next_clip = 0.1 + 1e-17}, after;
  load_checkpoint(save_checkpoint(weights, *optimizer, average, before), weights, *optimizer, average, after);
  EXPECT_EQ(after.next_clip, before.next_clip);  // to the last bit: what was released
}

TEST(Checkpoint, DamageIsOneClearError) {
  const auto weights = weights_from(1);
  const auto optimizer = make_optimizer("sgd", weights, 0.1, 0.9);
  TailAverage average(0.5, 4);
  Counters counters;
  std::string bytes = save_checkpoint(weights, *optimizer, average, counters);
  for (const std::string& damaged :
       {bytes.substr(0, bytes.size() / 2), std::string("nothing"), std::string()}) {
    EXPECT_THROW(load_checkpoint(damaged, weights, *optimizer, average, counters), Error);
  }
  const std::vector<torch::Tensor> other = {torch::zeros({5}).requires_grad_()};
  EXPECT_THROW(load_checkpoint(bytes, other, *make_optimizer("sgd", other, 0.1, 0.9), average, counters),
               Error);
}

TEST(TailAverage, IsTheMeanOfTheLastShareOfSteps) {
  std::vector<torch::Tensor> weights = {torch::zeros({1})};
  TailAverage average(0.5, 10);
  for (int step = 0; step < 10; ++step) {
    weights[0].fill_(step);
    average.add(step, weights);
  }
  average.apply(weights);
  EXPECT_DOUBLE_EQ(weights[0].item<double>(), 7.0);  // 5, 6, 7, 8, 9
}

}  // namespace
}  // namespace discreet
