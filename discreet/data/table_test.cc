#include "discreet/data/table.h"

#include <set>

#include "discreet/data/csv_reader.h"
#include "discreet/data/test_files.h"

namespace discreet {
namespace {

class TableTest : public FolderTest {
 protected:
  Table read(const std::string& bytes, const TableOptions& options = {}) {
    return read_table(write("t.csv", bytes), options);
  }
  std::string refused(const std::string& bytes, const TableOptions& options = {}) {
    return refusal([&] { read(bytes, options); }, folder);
  }
};

std::string row(const Table& table, int64_t index) {
  std::string text;
  for (int64_t column = 0; column < table.columns(); ++column) {
    text += "[" + std::string(table.cell(index, column)) + "]";
  }
  return text;
}

TEST_F(TableTest, QuotesAsInRfc4180AndLenientlyBeyondIt) {
  const auto table = read(
      "a,b,c\r\n"
      "\"x, y\",\"say \"\"hi\"\"\",3\r\n"
      "\"two\nlines\",\"\",  4  \r\n"
      " \"after a space\" ,5\" pipe,\r\n"
      "last,without,newline");
  ASSERT_EQ(table.rows(), 4);
  EXPECT_EQ(row(table, 0), "[x, y][say \"hi\"][3]");
  EXPECT_EQ(row(table, 1), "[two\nlines][][4]");
  EXPECT_EQ(row(table, 2), "[after a space][5\" pipe][]");
  EXPECT_EQ(row(table, 3), "[last][without][newline]");
}

TEST_F(TableTest, SeparatorIsTheMostFrequentInTheLineOfNames) {
  EXPECT_EQ(row(read("a;b;c,d\n1;2;3\n"), 0), "[1][2][3]");
  EXPECT_EQ(row(read("a\tb\n 1\t\n"), 0), "[1][]");
  EXPECT_EQ(row(read("a|b\n1|2\n"), 0), "[1][2]");
  EXPECT_EQ(row(read("\"a;;;\",b\n1,2\n"), 0), "[1][2]") << "separators inside quotes do not count";
  EXPECT_EQ(row(read("a\n1;2\n"), 0), "[1;2]") << "records have no say";
  EXPECT_EQ(row(read("a,b;c\n1;2\n", {.header = true, .separator = ';'}), 0), "[1][2]");
  EXPECT_EQ(refused("a,b\n1,2\n", {.header = {}, .separator = ':'}),
            "invalid-argument: separator: one of , ; tab | is allowed");
}

TEST_F(TableTest, WithoutNamesNoRecordDecidesTheSeparator) {
  const auto table = read("1;2;3\n4;5;6\n", {.header = false, .separator = {}});
  EXPECT_EQ(table.names(), std::vector<std::string>{"column1"});
  EXPECT_EQ(table.rows(), 2);
  EXPECT_EQ(read("1;2\n", {.header = false, .separator = ';'}).names(),
            (std::vector<std::string>{"column1", "column2"}));
}

TEST_F(TableTest, ARecordNeverBecomesColumnNames) {
  for (const char* first : {"39, Male", "?, Male", "2020-01-31,x", "NaN,x", "59 2 32.1", "1\t2;x"}) {
    EXPECT_EQ(refused(std::string(first) + "\n40, Female\n"),
              "invalid-argument: t.csv: the first line looks like a record, not like column names; say "
              "--header yes or --header no");
  }
  EXPECT_EQ(read("2019,2020\n1,2\n", {.header = true, .separator = {}}).names(),
            (std::vector<std::string>{"2019", "2020"}));
  EXPECT_EQ(read(",b\n1,2\n").names(), (std::vector<std::string>{"column1", "b"}))
      << "an index column without name";
}

TEST_F(TableTest, ByteOrderMarkBlankLinesAndOldLineEnds) {
  const auto table = read(
      "\xEF\xBB\xBF"
      "a,b\r\n\r\n1,2\r\n\r\n");
  EXPECT_EQ(table.names()[0], "a");
  EXPECT_EQ(table.rows(), 1);
  EXPECT_EQ(read("a,b\r1,2\r3,4\r").rows(), 2);
  EXPECT_EQ(read("\n\na;b\n1;2\n").names().size(), 2u);
}

TEST_F(TableTest, GzipIsReadAsThePlainFile) {
  const auto table = read_table(write_gzip("t.csv.gz", "a,b\n1,2\n"));
  EXPECT_EQ(row(table, 0), "[1][2]");
}

TEST_F(TableTest, StructureErrorsNameTheRecordAndNotItsContent) {
  EXPECT_EQ(refused("a,b\n1,2\nsecret,3,4\n"),
            "data-loss: t.csv: record 2 (line 3) has 3 fields where 2 are expected");
  EXPECT_EQ(refused("a,b\n\"x\ny\",2\nsecret\n"),
            "data-loss: t.csv: record 2 (line 4) has 1 fields where 2 are expected");
  EXPECT_EQ(refused("a,b\n1,\xff\xfe\n"),
            "data-loss: t.csv: line 2 is not valid UTF-8; save the file as UTF-8");
  EXPECT_EQ(refused("a,b\n1,\"secret\n2,3\n"),
            "data-loss: t.csv: the quote in the record at line 2 is never closed");
  EXPECT_EQ(
      refused(""),
      "data-loss: t.csv: the file is empty; a table needs a line of column names and at least one record");
  EXPECT_EQ(refused("\r\n\n"), refused(""));
  EXPECT_EQ(refused("a,b\n"), "data-loss: t.csv: there is no record below the line of column names");
  EXPECT_EQ(
      refused("a,b,a\nx,y,z\n"),
      "invalid-argument: t.csv: columns 1 and 3 have the same name in the first line; rename one, or say "
      "--header no if the first line is a record");
}

TEST_F(TableTest, LongLinesAreRefusedWithoutBeingHeld) {
  const std::string megabyte(kMaxRecordBytes, 'x');
  EXPECT_EQ(refused(megabyte + "xx,b\n1,2\n"), "data-loss: t.csv: line 1 is longer than 1 MiB");
  EXPECT_EQ(refused("a,b\n1,2\n" + megabyte + "x,2\n"),
            "data-loss: t.csv: the record at line 3 is longer than 1 MiB (is a quote never closed?)");
  std::string lines = "a,b\n1,\"open\n";
  while (lines.size() < kMaxRecordBytes + 100) lines += "many,lines\n";
  EXPECT_EQ(refused(lines),
            "data-loss: t.csv: the record at line 2 is longer than 1 MiB (is a quote never closed?)");
  EXPECT_EQ(read("a,b\n1," + std::string(kMaxRecordBytes - 100, 'x') + "\n").rows(), 1);
}

TEST_F(TableTest, FilesThatCannotBeRead) {
  const auto refused_path = [&](const std::filesystem::path& path) {
    return refusal([&] { read_table(path); }, folder);
  };
  EXPECT_TRUE(refused_path(folder / "none.csv").starts_with("not-found: "))
      << refused_path(folder / "none.csv");
  EXPECT_TRUE(refused_path(folder).ends_with("a folder, where a table file is expected"));
  const auto whole = write_gzip("t.csv.gz", "a,b\n" + std::string(5000, 'x') + ",2\n");
  std::ifstream in(whole, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(refused_path(write("cut.csv.gz", bytes.substr(0, bytes.size() - 12))),
            "data-loss: cut.csv.gz: the gzip data is corrupt or ends too early");
  std::string changed = bytes;
  changed[bytes.size() / 2] = static_cast<char>(changed[bytes.size() / 2] ^ 0x55);
  EXPECT_EQ(refused_path(write("bad.csv.gz", changed)),
            "data-loss: bad.csv.gz: the gzip data is corrupt or ends too early");
}

TEST_F(TableTest, ColumnsByNameWithTheNearest) {
  const auto table = read("age,income\n1,2\n");
  EXPECT_EQ(table.column("income"), 1);
  EXPECT_EQ(refusal([&] { table.column("incomes"); }, folder),
            "not-found: t.csv: no column 'incomes'; did you mean 'income'?");
  EXPECT_EQ(refusal([&] { table.column("xyzzy"); }, folder),
            "not-found: t.csv: no column 'xyzzy'; the columns are: age, income");
}

TEST_F(TableTest, RecordBytesDoNotDependOnOrderOrQuotes) {
  const auto records = [](const Table& table) {
    std::multiset<std::string> out;
    for_each_record(table, [&](std::string_view bytes) { out.emplace(bytes); });
    return out;
  };
  EXPECT_EQ(records(read("a,b\n1,x\n2,y\n")), records(read("b;a\n\"y\"; 2\nx;1\n")));
  EXPECT_NE(records(read("a,b\n1,x\n")), records(read("a,b\n1,y\n")));
}

TEST(Utf8, AgreesWithTheStandard) {
  for (const char* text : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80", "\xE2\x82", "\xFF"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

}  // namespace
}  // namespace discreet
