// What a data set seems to be, when the owner is asked, and that the answer holds.
#include "discreet/store/recognition.h"

#include <gtest/gtest.h>

#include <sstream>

#include "discreet/store/ledger.h"
#include "discreet/store/testing.h"

namespace discreet {
namespace {

class RecognitionTest : public testing::Test {
 protected:
  // Records number `from` to `to`, not included.
  DatasetSketch sketch(int from, int to) {
    DatasetSketch made = ledger.new_sketch();
    for (int record = from; record < to; ++record) made.add(std::to_string(record));
    return made;
  }
  bool in_doubt(int from, int to) { return ledger.recognise(sketch(from, to)).in_doubt; }

  testing_store::TemporaryFolder folder;
  Ledger ledger = Ledger::open(folder.path() / "ledger.db");
};

// 300 records are all in the sketch, of 20000 a twentieth is. The part that is new is large enough there to
// show: 10 % of 1024 hashes.
TEST_F(RecognitionTest, OnlyAChangedFormIsInDoubt) {
  for (const int n : {300, 20000}) {
    SCOPED_TRACE(n);
    const int first = 100000 * n;
    EXPECT_FALSE(in_doubt(first, first + n));  // never seen
    ledger.identify(sketch(first, first + n), "people");
    EXPECT_FALSE(in_doubt(first, first + n));                         // itself
    EXPECT_FALSE(in_doubt(first, first + n * 9 / 10));                // a part: nothing in it is new
    EXPECT_TRUE(in_doubt(first, first + n * 11 / 10));                // records added
    EXPECT_TRUE(in_doubt(first + n / 10, first + n * 11 / 10));       // removed and added
    EXPECT_FALSE(in_doubt(first + 2 * n, first + 3 * n));             // others
    EXPECT_FALSE(in_doubt(first + n * 9 / 10, first + n * 19 / 10));  // too little in common: as ever new
  }
}

// Of so many records the sketch tells a few in ten thousand, and of the ones asked about nothing.
TEST_F(RecognitionTest, AnUnrelatedLargeDataSetSettlesNoDoubt) {
  ledger.identify(sketch(0, 200), "small");
  ASSERT_TRUE(in_doubt(150, 300));
  ledger.identify(sketch(1000, 1000000), "large");
  EXPECT_TRUE(in_doubt(150, 300));
}

TEST_F(RecognitionTest, RecordsOfSeveralDataSetsAreInDoubt) {
  ledger.identify(sketch(0, 100), "left");
  ledger.identify(sketch(100, 200), "right");
  const Recognition both = ledger.recognise(sketch(0, 200));
  EXPECT_TRUE(both.in_doubt);
  ASSERT_EQ(both.known.size(), 2u);
  EXPECT_EQ(both.known[1].name, "right");
  EXPECT_EQ(both.known[1].shared, 1);
}

TEST_F(RecognitionTest, AskingRecordsNothing) {
  ledger.identify(sketch(0, 100), "people");
  const std::string before = ledger.head();
  in_doubt(0, 150);
  EXPECT_EQ(ledger.head(), before);
}

// What the owner called new stays apart when it comes again as it was, and does not merge what it resembles.
TEST_F(RecognitionTest, TheAnswerHoldsForTheSameRecords) {
  const std::string people = ledger.identify(sketch(0, 100), "people");
  const std::string others = ledger.identify(sketch(10, 110), "others", {.same_as = "", .new_dataset = true});
  ASSERT_NE(people, others);
  EXPECT_FALSE(in_doubt(10, 110));
  EXPECT_EQ(ledger.identify(sketch(10, 110), "again"), others);
  EXPECT_EQ(ledger.identify(sketch(0, 100), "again"), people);
  EXPECT_EQ(ledger.datasets().size(), 2u);
  EXPECT_TRUE(in_doubt(10, 100));  // a part of both: another question
  EXPECT_EQ(ledger.identify(sketch(10, 100), "part"), people);
  EXPECT_EQ(ledger.datasets().size(), 1u);  // unsure counts as the same
}

TEST_F(RecognitionTest, TheOwnersWord) {
  const Recognition doubt{{{"d1", "people", 0.87}}, false, true};
  const auto answer = [&](const std::string& typed) {
    std::istringstream in(typed);
    std::ostringstream out;
    const auto next_line = [&] {
      std::string line;
      return std::getline(in, line) ? std::optional(line) : std::nullopt;
    };
    const Identity identity = ask_same_or_new(doubt, next_line, out);
    EXPECT_NE(out.str().find("'people': about 90 %"), std::string::npos) << out.str();
    EXPECT_EQ(identity.same_as, "");
    return identity.new_dataset;
  };
  for (const char* same : {"", "\n", "same\n", " Same \n", "  ", "maybe\n", "maybe\nsame\n", "ne"})
    EXPECT_FALSE(answer(same)) << same;
  for (const char* fresh : {"new\n", "NEW\r\n", "maybe\nnew\n"}) EXPECT_TRUE(answer(fresh)) << fresh;
}

}  // namespace
}  // namespace discreet
