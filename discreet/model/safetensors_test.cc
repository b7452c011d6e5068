#include "discreet/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// A file as the format's page describes it, written by hand.
std::string file_with(std::string header, const std::string& data) {
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string error_of(const std::string& bytes) {
  try {
    load_safetensors(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDataLoss);
    return error.what();
  }
  return "";
}

TEST(Safetensors, WritesTheBytesOfTheFormat) {
  const NamedTensors tensors = {{"b", torch::tensor({1.5f, -2.0f, 0.25f}).view({3, 1})},
                                {"a", torch::tensor(7.0f)}};
  std::string header =
      R"({"b":{"dtype":"F32","shape":[3,1],"data_offsets":[0,12]},"a":{"dtype":"F32","shape":[],"data_offsets":[12,16]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(save_safetensors(tensors), file_with(header, floats({1.5f, -2.0f, 0.25f, 7.0f})));
}

TEST(Safetensors, ReadsAFileInAnotherOrderWithMetadata) {
  const auto tensors = load_safetensors(file_with(
      R"({"__metadata__":{"made":"by hand"},"z":{"data_offsets":[4,12],"dtype":"F32","shape":[1,2]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )",
      floats({3, 4, 5})));
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].first, "y");
  EXPECT_TRUE(torch::equal(tensors[1].second, torch::tensor({{4.0f, 5.0f}})));
}

TEST(Safetensors, EveryKindOfNumberComesBack) {
  torch::manual_seed(1);
  NamedTensors tensors;
  for (const auto type :
       {torch::kDouble, torch::kFloat, torch::kHalf, torch::kLong, torch::kInt, torch::kByte}) {
    tensors.emplace_back("t" + std::to_string(tensors.size()), (torch::rand({2, 3}) * 100).to(type).t());
  }
  tensors.emplace_back("empty", torch::empty({0, 4}));
  const std::string bytes = save_safetensors(tensors);
  const NamedTensors back = load_safetensors(bytes);
  ASSERT_EQ(back.size(), tensors.size());
  for (size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].first, tensors[i].first);
    EXPECT_EQ(back[i].second.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE(torch::equal(back[i].second, tensors[i].second));
  }
  EXPECT_EQ(save_safetensors(back), bytes);
  EXPECT_THROW(save_safetensors({{"c", torch::zeros(2, torch::kComplexFloat)}}), Error);
  EXPECT_THROW(save_safetensors({{"c", torch::zeros(2)}, {"c", torch::zeros(2)}}), Error);
}

TEST(Safetensors, WrongFilesAreRefused) {
  const std::string data = floats({1, 2});
  auto tensor = [](const std::string& fields) { return R"({"a":{)" + fields + "}}"; };
  EXPECT_THAT(error_of("1234567"), testing::HasSubstr("fewer than 8"));
  EXPECT_THAT(error_of(std::string(16, '\xff')), testing::HasSubstr("longer than the file"));
  EXPECT_THAT(error_of(file_with("[]", "")), testing::HasSubstr("no object"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), data)),
              testing::HasSubstr("its shape needs 8"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), data)),
              testing::HasSubstr("end at byte 4 of 8"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), data)),
              testing::HasSubstr("leaves a gap"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), data)),
              testing::HasSubstr("bytes"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), data)),
              testing::HasSubstr("shape[0]"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F99","shape":[2],"data_offsets":[0,8])"), data)),
              testing::HasSubstr("dtype"));
  EXPECT_THAT(error_of(file_with(tensor(R"("dtype":"F32","shape":[8,8,8,8,8],"data_offsets":[0,8])"), data)),
              testing::HasSubstr("larger than the file"));
  const std::string twice =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_THAT(error_of(file_with(twice, data)), testing::HasSubstr("overlaps"));
}

// No prefix is accepted, and no changed byte does worse than an Error or another valid tensor.
TEST(Safetensors, TruncatedAndChangedFilesNeverCrash) {
  const std::string bytes = save_safetensors({{"weight", torch::rand({3, 2})}, {"bias", torch::rand({3})}});
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_NE(error_of(bytes.substr(0, size)), "") << size;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int flip : {1, 8, 64, 255}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      error_of(changed);
    }
  }
}

}  // namespace
}  // namespace discreet
