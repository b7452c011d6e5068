#include "discreet/store/sketch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/store/testing.h"

namespace discreet {
namespace {

using testing_store::kind_of;
using testing_store::TemporaryFolder;

class SketchTest : public testing::Test {
 protected:
  DatasetSketch sketch(int from, int to) const {
    DatasetSketch made(key);
    for (int record = from; record < to; ++record) made.add("record " + std::to_string(record));
    return made;
  }
  TemporaryFolder folder;
  SketchKey key = SketchKey::load_or_create(folder.path() / "key");
};

TEST_F(SketchTest, OrderAndCopiesDoNotMatter) {
  std::vector<int> order(20000);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  DatasetSketch shuffled(key);
  for (int record : order) shuffled.add("record " + std::to_string(record));
  shuffled.add("record 7");
  EXPECT_TRUE(shuffled == sketch(0, 20000));
}

// The exact shares are known; an estimate from at least 500 of k hashes is off by more than 0.12 less often
// than once in 10^7 (5.4 standard deviations), and the key is drawn anew for each run of the test.
TEST_F(SketchTest, EstimatesTheSharedPart) {
  const DatasetSketch whole = sketch(0, 20000);
  EXPECT_NEAR(whole.similarity(sketch(0, 18000)), 1, 1e-12);       // a tenth removed: a part of the whole
  EXPECT_NEAR(whole.similarity(sketch(0, 20001)), 1, 0.01);        // a row added
  EXPECT_NEAR(whole.similarity(sketch(10000, 30000)), 0.5, 0.12);  // half replaced
  EXPECT_EQ(whole.similarity(sketch(20000, 40000)), 0);            // strangers
}

TEST_F(SketchTest, ExactForSmallDataSets) {
  EXPECT_EQ(sketch(0, 10).similarity(sketch(0, 9)), 1);
  EXPECT_EQ(sketch(0, 10).similarity(sketch(5, 15)), 0.5);
  EXPECT_EQ(sketch(0, 1).similarity(sketch(0, 2)), 1);
  EXPECT_EQ(sketch(0, 3).similarity(sketch(3, 6)), 0);
  EXPECT_EQ(sketch(0, 3).similarity(DatasetSketch(key)), 0);
}

TEST_F(SketchTest, SealedAndOpenedAgain) {
  const DatasetSketch original = sketch(0, 3000);
  const std::string sealed = original.seal();
  EXPECT_TRUE(DatasetSketch::unseal(key, sealed) == original);
  // Of one length, and never the same bytes twice: the file tells neither the size nor that two are equal.
  EXPECT_EQ(sealed.size(), sketch(0, 1).seal().size());
  EXPECT_NE(sealed, original.seal());
  std::string changed = sealed;
  changed[100] ^= 1;
  EXPECT_EQ(kind_of([&] { DatasetSketch::unseal(key, changed); }), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_of([&] { DatasetSketch::unseal(key, sealed.substr(1)); }), ErrorKind::kDataLoss);
  const SketchKey other = SketchKey::load_or_create(folder.path() / "other");
  EXPECT_EQ(kind_of([&] { DatasetSketch::unseal(other, sealed); }), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_of([&] { (void)original.similarity(DatasetSketch(other)); }), ErrorKind::kInvalidArgument);
}

TEST_F(SketchTest, KeyFileIsSecretAndStable) {
  struct stat status;
  ASSERT_EQ(::stat((folder.path() / "key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(SketchKey::load_or_create(folder.path() / "key").hash_key(), key.hash_key());
  EXPECT_NE(SketchKey::load_or_create(folder.path() / "key2").hash_key(), key.hash_key());
  ASSERT_EQ(::chmod((folder.path() / "key").c_str(), 0644), 0);
  EXPECT_EQ(kind_of([&] { SketchKey::load_or_create(folder.path() / "key"); }), ErrorKind::kPermissionDenied);
  write_file(folder.path() / "short", "abc", 0600);
  EXPECT_EQ(kind_of([&] { SketchKey::load_or_create(folder.path() / "short"); }), ErrorKind::kDataLoss);
}

}  // namespace
}  // namespace discreet
