#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discreet/dp/processes_testing.h"

namespace discreet {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;

TEST(Processes, AgreeOnWhatIsTheSame) {
  const auto said = together(3, [](std::shared_ptr<Processes> processes) {
    Agreement same("a test");
    same.add("a word", "word");
    same.add("a number", 0.1);
    same.check(*processes);
  });
  EXPECT_THAT(said, Each(""));
}

// Whoever differs, in one bit or in all: every process hears it, and only of what differs.
TEST(Processes, NameWhatTheyDisagreeAbout) {
  for (const int64_t odd : {0, 1, 4}) {
    const auto said = together(5, [&](std::shared_ptr<Processes> processes) {
      const bool other = processes->rank() == odd;
      Agreement same("a test");
      same.add("first", "same");
      same.add("second", other ? 1.0 : std::nextafter(1.0, 2.0));
      same.add("third", other ? "private word" : "word");
      same.check(*processes);
    });
    EXPECT_THAT(said, Each(HasSubstr("disagree about second, third:")));
    EXPECT_THAT(said, Each(Not(HasSubstr("private word"))));
  }
}

TEST(Processes, NoticeThatTheyDoDifferentThings) {
  const auto said = together(2, [](std::shared_ptr<Processes> processes) {
    Agreement same(processes->rank() == 0 ? "one thing" : "another thing");
    for (int64_t i = 0; i <= processes->rank(); ++i) same.add("value", 1);
    same.check(*processes);
  });
  EXPECT_THAT(said, Each(HasSubstr("disagree about what they do next:")));
}

TEST(Processes, GatherListsOfDifferentLengths) {
  const auto said = together(3, [](std::shared_ptr<Processes> processes) {
    const auto lists = gather(*processes, at::arange(processes->rank() * 2, at::kLong));
    ASSERT_EQ(lists.size(), 3);
    for (int64_t rank = 0; rank < 3; ++rank) EXPECT_TRUE(lists[rank].equal(at::arange(rank * 2, at::kLong)));
  });
  EXPECT_THAT(said, Each(""));
}

}  // namespace
}  // namespace discreet
