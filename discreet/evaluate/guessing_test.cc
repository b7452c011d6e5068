#include "discreet/evaluate/guessing.h"

#include <gtest/gtest.h>

#include <cmath>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// 100 records: 80 right by both, 15 by the model alone, 5 by the guess alone. By hand: the difference is
// 0.10, its sample variance (20 - 100 * 0.01) / 99.
TEST(Guessing, IsPairedByRecord) {
  torch::Tensor model = torch::ones({100}), guess = torch::ones({100});
  model.slice(0, 0, 5).zero_();
  guess.slice(0, 5, 20).zero_();
  const GuessingMetrics metrics = compare_with_guessing(model, guess);
  EXPECT_NEAR(metrics.model, 0.95, 1e-12);
  EXPECT_NEAR(metrics.guess, 0.85, 1e-12);
  EXPECT_NEAR(metrics.margin, 2 * std::sqrt(19.0 / 99 / 100), 1e-12);
}

TEST(Guessing, OfOneRecordOrOfTheSameAnswersHasNoMargin) {
  EXPECT_EQ(compare_with_guessing(torch::ones({1}), torch::zeros({1})).margin, 0);
  EXPECT_EQ(compare_with_guessing(torch::ones({9}), torch::ones({9})).margin, 0);
  EXPECT_THROW(compare_with_guessing(torch::ones({2}), torch::ones({3})), Error);
  EXPECT_THROW(compare_with_guessing(torch::ones({0}), torch::ones({0})), Error);
}

TEST(Guessing, TheMostFrequentClassIsOneThatIsKnown) {
  EXPECT_EQ(most_frequent_class(torch::tensor({-1, -1, -1, 2, 2, 0}, torch::kInt64)), 2);
  EXPECT_EQ(most_frequent_class(torch::tensor({-1, -1}, torch::kInt64)), 0);
}

}  // namespace
}  // namespace discreet
