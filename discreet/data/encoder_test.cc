#include "discreet/data/encoder.h"

#include "discreet/data/table_dataset.h"
#include "discreet/data/test_files.h"

namespace discreet {
namespace {

TableSchema schema() {
  return TableSchema::from_json(Json::parse(R"({"columns": {
      "x": {"kind": "numeric", "knots": [0, 10, 30]}, "job": {"kind": "category", "buckets": 4},
      "skip": {"kind": "ignored"}, "when": {"kind": "date", "knots": [0, 100]}, "flag": {"kind": "boolean"}},
      "target": {"name": "y", "classes": ["low", "high"]}})"));
}

Table table(const std::vector<std::vector<std::string>>& rows) {
  Table out("t.csv", {"y", "flag", "when", "skip", "job", "x"});
  for (const auto& row : rows) out.append(row);
  return out;
}

std::vector<float> features(const TableEncoder& encoder, const Table& rows) {
  const auto all = encoder.features(encoder.encode(rows), torch::arange(rows.rows()));
  EXPECT_EQ(all.size(1), encoder.width());
  return {all.data_ptr<float>(), all.data_ptr<float>() + all.numel()};
}

TEST(Encoder, PiecewiseLinearOneHotAndMissing) {
  const TableEncoder encoder(schema());
  ASSERT_EQ(encoder.width(), 3 + 5 + 2 + 2);
  ASSERT_EQ(encoder.outputs(), 2);
  std::vector<float> expected = {1, 0.5, 0, 0, 0, 0, 0, 0, 0.5, 0, 1, 0};
  expected[3 + static_cast<size_t>(bucket_of("job", "nurse", 4))] = 1;
  EXPECT_EQ(features(encoder, table({{"low", "yes", "1970-02-20", "z", "nurse", "20"}})), expected);
  EXPECT_EQ(features(encoder, table({{"", "?", "nan", "", "NA", "inf"}})),
            (std::vector<float>{0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1}));
}

TEST(Encoder, OutliersAndOddCellsStayBounded) {
  const TableEncoder encoder(schema());
  for (const char* x : {"1e308", "-1e308", "1e999", "abc", "true", "2020-01-01", "-0"}) {
    for (float value : features(encoder, table({{"low", "2", "9999-12-31", "", "job", x}}))) {
      EXPECT_GE(value, 0) << x;
      EXPECT_LE(value, 1) << x;
    }
  }
  EXPECT_EQ(features(encoder, table({{"low", "1", "12", "", "?", "1e308"}})),
            (std::vector<float>{1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0}));
  EXPECT_EQ(features(encoder, table({{"low", "maybe", "12", "", "?", "abc"}})),
            (std::vector<float>{0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1}));
}

// SipHash-2-4 of "job=nurse" under the key "discreet-buckets", by a separate implementation in Python;
// packages depend on it for ever.
TEST(Encoder, BucketsAreFixedForEver) {
  EXPECT_EQ(bucket_of("job", "nurse", 1 << 16), 27049);
  EXPECT_EQ(bucket_of("job", "", 1 << 16), 47827);
  EXPECT_EQ(bucket_of("job", "teacher and more than eight bytes", 128), 85);
}

TEST(Encoder, BucketsAreEvenlyFilled) {
  std::vector<int> counts(64, 0);
  for (int i = 0; i < 64000; ++i) ++counts[static_cast<size_t>(bucket_of("c", std::to_string(i), 64))];
  double chi = 0;
  for (int count : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi,
            122);  // fixed input: deterministic; the 1e-5 quantile of chi-square with 63 degrees is 121.6
}

TEST(Encoder, Targets) {
  const TableEncoder encoder(schema());
  const auto targets = encoder.targets(table({{"low", "", "", "", "", ""},
                                              {"high", "", "", "", "", ""},
                                              {"other", "", "", "", "", ""},
                                              {"", "", "", "", "", ""}}));
  EXPECT_TRUE(targets.equal(torch::tensor({0, 1, -1, -1}, torch::kInt64)));
  auto regression = schema();
  regression.target = TargetSchema{.name = "y", .kind = TargetKind::kRegression, .range = {{0, 10}}};
  const TableEncoder scaled(regression);
  const auto values = scaled.targets(table({{"0", "", "", "", "", ""},
                                            {"5", "", "", "", "", ""},
                                            {"99", "", "", "", "", ""},
                                            {"x", "", "", "", "", ""}}));
  EXPECT_TRUE(values.slice(0, 0, 3).equal(torch::tensor({-1.F, 0.F, 1.F})));
  EXPECT_TRUE(std::isnan(values[3].item<float>()));
  EXPECT_EQ(scaled.target_value(0.5), 7.5);
  EXPECT_EQ(scaled.target_value(1.5), 10);  // never outside the range
  EXPECT_EQ(scaled.target_value(-1e30), 0);
  const auto as_they_are =
      scaled.target_values(table({{"99", "", "", "", "", ""}, {"x", "", "", "", "", ""}}));
  EXPECT_EQ(as_they_are[0].item<double>(), 99);
  EXPECT_TRUE(std::isnan(as_they_are[1].item<double>()));
  EXPECT_EQ(encoder.rows_of_other_classes(table(
                {{"low", "", "", "", "", ""}, {"other", "", "", "", "", ""}, {"", "", "", "", "", ""}})),
            1);
}

// x has 2 pieces, when 1, job and flag 1 each, and 1 for the bias: half of 6.
TEST(Encoder, SquaredLengthFollowsFromTheSchema) {
  EXPECT_EQ(TableEncoder(schema()).squared_length(), 3);
}

TEST(Encoder, RefusesWhatIsNotComplete) {
  auto open = schema();
  open.columns[0].knots.clear();
  EXPECT_EQ(refusal([&] { TableEncoder encoder(open); }),
            "invalid-argument: schema: column 'x' has no knots yet");
  open = schema();
  open.columns = {open.columns[2]};
  EXPECT_EQ(refusal([&] { TableEncoder encoder(open); }),
            "invalid-argument: schema: there is no column to learn from");
  Table other("o.csv", {"jobs"});
  EXPECT_EQ(refusal([&] { TableEncoder(schema()).encode(other); }),
            "not-found: o.csv: no column 'x'; the columns are: jobs");
}

TEST(Dataset, FeaturesOfABatchAreTheRowsAskedFor) {
  const TableEncoder encoder(schema());
  const auto rows = table(
      {{"low", "yes", "", "", "a", "1"}, {"?", "no", "", "", "b", "2"}, {"high", "no", "", "", "c", "3"}});
  const TableDataset dataset(encoder, {rows, {4, 4, 7}});
  const auto all = dataset.features(torch::arange(3));
  const auto some = dataset.features(torch::tensor({2, 0, 2}, torch::kInt64));
  EXPECT_TRUE(some.equal(all.index_select(0, torch::tensor({2, 0, 2}, torch::kInt64))));
  EXPECT_EQ(dataset.features(torch::empty({0}, torch::kInt64)).size(0), 0);
  EXPECT_EQ(dataset.units(), (std::vector<int64_t>{4, 4, 7}));
  EXPECT_TRUE(dataset.rows_with_target().equal(torch::tensor({0, 2}, torch::kInt64)));
}

}  // namespace
}  // namespace discreet
