#include "discreet/dp/image_statistics.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"

namespace discreet {
namespace {

ImageDataset images(const std::vector<int64_t>& labels, std::vector<std::string> names) {
  return {torch::zeros({static_cast<int64_t>(labels.size()), 1, 2, 2}, torch::kUInt8), labels,
          std::move(names)};
}

std::vector<int64_t> repeated(std::initializer_list<std::pair<int64_t, int>> counts) {
  std::vector<int64_t> out;
  for (const auto& [label, count] : counts) out.insert(out.end(), static_cast<size_t>(count), label);
  return out;
}

std::vector<std::string> digits() {
  std::vector<std::string> names;
  for (int i = 0; i < 256; ++i) names.push_back(std::to_string(i));
  return names;
}

const StatisticsBudget kBudget = {Relation::kAddOrRemoveOne, 5, 1e-6};

TEST(ImageStatistics, OneImageMovesTheVectorByTheStatedSensitivity) {
  for (const bool fixed : {true, false}) {
    const ImageStatistics statistics(fixed, {}, {}, kBudget);
    const auto before = statistics.count(images({1, 2}, digits()));
    for (int64_t label : {1, 7}) {
      const auto after = statistics.count(images({1, 2, label}, digits()));
      double squared = 0;
      for (const auto& [key, count] : after.cells) {
        const auto other = before.cells.find(key);
        const auto difference =
            static_cast<double>(count - (other == before.cells.end() ? 0 : other->second));
        squared += difference * difference;
      }
      for (const auto& [key, count] : after.values) {
        const auto other = before.values.find(key);
        const auto difference =
            static_cast<double>(count - (other == before.values.end() ? 0 : other->second));
        squared += difference * difference;
      }
      EXPECT_EQ(squared, statistics.mechanism().squared_sensitivity());
    }
  }
}

TEST(ImageStatistics, ClassesOfAFixedDomainCostNoThreshold) {
  const ImageStatistics statistics(true, {}, {}, kBudget);
  EXPECT_EQ(statistics.mechanism().event(), Event::discrete_gaussian(5));
  auto random = RandomStream::for_tests(1);
  const auto facts = statistics.estimate(images(repeated({{10, 900}, {9, 800}, {3, 1}}), digits()), random);
  EXPECT_EQ(facts.classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_NEAR(facts.units, 1701, 5 * facts.stddev / kCountWeight);
  EXPECT_EQ(ImageFacts::from_json(Json::parse(facts.to_json().dump())).to_json(), facts.to_json());
}

// In a thousand runs at 4 standard deviations, some eight would.
TEST(ImageStatistics, NoLabelWithoutImagesBecomesAClass) {
  const ImageStatistics statistics(true, {}, {}, kBudget);
  const ImageDataset two = images(repeated({{0, 900}, {1, 900}}), digits());
  auto random = RandomStream::for_tests(5);
  for (int run = 0; run < 1000; ++run)
    ASSERT_EQ(statistics.estimate(two, random).classes, (std::vector<std::string>{"0", "1"})) << run;
}

TEST(ImageStatistics, FolderNamesGoThroughTheThreshold) {
  const ImageStatistics statistics(false, {}, {}, kBudget);
  EXPECT_EQ(statistics.mechanism().event(),
            Event::composed({Event::discrete_gaussian(5), Event::epsilon_delta(0, 1e-6)}));
  auto random = RandomStream::for_tests(2);
  const auto facts =
      statistics.estimate(images(repeated({{0, 900}, {1, 1}, {2, 800}}), {"dog", "jane doe", "cat"}), random);
  EXPECT_EQ(facts.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(facts.classes_source, Source::kPrivate);
}

TEST(ImageStatistics, DeclaredFactsCostNothing) {
  const ImageStatistics statistics(true, {"1", "2"}, 500, {Relation::kAddOrRemoveOne, 0, 0});
  EXPECT_FALSE(statistics.mechanism().needed());
  auto random = RandomStream::for_tests(3);
  const auto facts = statistics.estimate(images({1, 2, 2}, digits()), random);
  EXPECT_EQ(facts.units, 500);
  EXPECT_EQ(facts.classes, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(facts.classes_source, Source::kDeclared);
}

TEST(ImageStatistics, OneClassOnlyIsRefused) {
  const ImageStatistics statistics(true, {}, {}, kBudget);
  auto random = RandomStream::for_tests(4);
  try {
    statistics.estimate(images(repeated({{4, 1000}}), digits()), random);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "labels: 1 class(es) are frequent enough to be released at this budget, and two are needed; "
              "declare the "
              "classes or give the statistics more budget");
  }
}

}  // namespace
}  // namespace discreet
