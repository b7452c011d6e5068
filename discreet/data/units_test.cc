#include "discreet/data/units.h"

#include <cmath>
#include <map>
#include <set>

#include "discreet/data/test_files.h"

namespace discreet {
namespace {

SplitKey key_of(uint64_t seed) {
  auto random = RandomStream::for_tests(seed);
  return SplitKey::draw(random);
}

// Person p has p + 1 rows, numbered within the person.
Table people(int count) {
  Table table("t.csv", {"person", "row"});
  for (int round = 0; round < count; ++round) {
    for (int person = round; person < count; ++person) {
      table.append({"p" + std::to_string(person), std::to_string(round)});
    }
  }
  return table;
}

std::set<std::string> persons(const Table& table) {
  std::set<std::string> out;
  for (int64_t row = 0; row < table.rows(); ++row) out.emplace(table.cell(row, 0));
  return out;
}

TEST(Units, AWholeUnitGoesToOneSide) {
  const auto split = split_table(people(60), "person", 1000, 0.3, key_of(1));
  const auto train = persons(split.train.table), test = persons(split.test.table);
  for (const auto& person : test) EXPECT_EQ(train.count(person), 0u) << person;
  EXPECT_EQ(train.size() + test.size(), 60u);
  EXPECT_GT(test.size(), 5u);
  EXPECT_EQ(split.train.table.rows() + split.test.table.rows(), people(60).rows());
}

TEST(Units, AtMostSoManyRowsOfAUnit) {
  const auto split = split_table(people(30), "person", 7, 0, key_of(2));
  std::map<std::string, int> rows;
  std::map<std::string, std::set<int64_t>> indices;
  for (int64_t row = 0; row < split.train.table.rows(); ++row) {
    const std::string person(split.train.table.cell(row, 0));
    ++rows[person];
    indices[person].insert(split.train.units[static_cast<size_t>(row)]);
  }
  std::set<int64_t> all;
  for (int person = 0; person < 30; ++person) {
    const std::string name = "p" + std::to_string(person);
    EXPECT_EQ(rows[name], std::min(person + 1, 7)) << name;
    ASSERT_EQ(indices[name].size(), 1u) << name;
    all.insert(*indices[name].begin());
  }
  EXPECT_EQ(all.size(), 30u);
  EXPECT_EQ(*all.rbegin(), 29);
}

// Each of a person's 20 rows is kept equally often. 4000 keys, p = 1/4: the standard deviation of a count
// is 27.4; 20 counts beyond 5 of these by chance: 1.2e-5 (and the keys are fixed, so the test is
// deterministic).
TEST(Units, TheRowsKeptAreUniform) {
  Table table("t.csv", {"person", "row"});
  for (int row = 0; row < 20; ++row) table.append({"p", std::to_string(row)});
  std::vector<int> kept(20, 0);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto split = split_table(table, "person", 5, 0, key_of(seed));
    for (int64_t row = 0; row < 5; ++row) {
      ++kept[static_cast<size_t>(std::stoi(std::string(split.train.table.cell(row, 1))))];
    }
  }
  for (int count : kept) EXPECT_NEAR(count, 1000, 137);
}

TEST(Units, TheSameKeyGivesTheSameSplit) {
  const auto table = people(20);
  const auto key = key_of(3);
  const auto again = SplitKey::from_hex(key.to_hex());
  EXPECT_EQ(persons(split_table(table, "person", 3, 0.5, key).test.table),
            persons(split_table(table, "person", 3, 0.5, again).test.table));
  EXPECT_EQ(split_rows(1000, 0.2, key).test, split_rows(1000, 0.2, again).test);
  EXPECT_NE(split_rows(1000, 0.2, key).test, split_rows(1000, 0.2, key_of(4)).test);
}

// Binomial(100000, 0.2): standard deviation 126.5; beyond 5 of these: 6e-7, and the key is fixed.
TEST(Units, TheShareHeldOutIsAsAsked) {
  const auto split = split_rows(100000, 0.2, key_of(5));
  EXPECT_NEAR(static_cast<double>(split.test.size()), 20000, 633);
  EXPECT_TRUE(split_rows(100, 0, key_of(5)).test.empty());
}

TEST(Units, RefusesWithTheRowAndWhatIsAllowed) {
  Table table("t.csv", {"person", "row"});
  table.append({"a", "1"});
  table.append({"?", "2"});
  EXPECT_EQ(refusal([&] { split_table(table, "person", 1, 0, key_of(1)); }),
            "invalid-argument: t.csv: record 2 has no value in the unit column 'person'; every record must "
            "belong to "
            "someone");
  EXPECT_EQ(refusal([&] { split_table(table, "persons", 1, 0, key_of(1)); }),
            "not-found: t.csv: no column 'persons'; did you mean 'person'?");
  EXPECT_EQ(refusal([&] { split_table(table, "row", 0, 0, key_of(1)); }),
            "invalid-argument: max_rows_per_unit: 1 or more is allowed");
  for (double share : {-0.1, 1.0, std::nan("")}) {
    EXPECT_EQ(refusal([&] { split_rows(10, share, key_of(1)); }),
              "invalid-argument: held-out share: at least 0 and below 1 is allowed");
  }
  EXPECT_EQ(refusal([&] { SplitKey::from_hex("abc"); }),
            "invalid-argument: split key: 64 hexadecimal digits are needed");
}

}  // namespace
}  // namespace discreet
