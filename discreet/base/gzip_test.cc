#include "discreet/base/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>

#include "discreet/base/file.h"

namespace discreet {
namespace {
namespace fs = std::filesystem;

class Gzip : public testing::Test {
 protected:
  Gzip() {
    std::string pattern = (fs::temp_directory_path() / "discreet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    for (int i = 0; i < 200000; ++i) content_ += std::to_string(i * 2654435761u);
  }
  ~Gzip() override { fs::remove_all(folder_); }

  std::string pack(const std::string& bytes) {
    const gzFile file = gzopen((folder_ / "z").c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return read_file(folder_ / "z");
  }
  std::string unpack(const std::string& bytes) {
    write_file(folder_ / "f", bytes);
    return read_maybe_gzip(folder_ / "f");
  }
  ErrorKind failure(const std::string& bytes) {
    try {
      unpack(bytes);
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::kUnsupported;
  }

  fs::path folder_;
  std::string content_;
};

TEST_F(Gzip, PlainAndPackedAreTheSame) {
  EXPECT_EQ(unpack(content_), content_);
  EXPECT_EQ(unpack(pack(content_)), content_);
  EXPECT_EQ(unpack(pack("")), "");
  EXPECT_EQ(unpack(""), "");
  EXPECT_EQ(unpack("\x1f"), "\x1f");
  EXPECT_EQ(unpack(pack("one ") + pack("two")), "one two");
}

TEST_F(Gzip, EveryTruncationIsNoticed) {
  const std::string packed = pack("a short text, a short text, a short text");
  for (size_t size = 2; size < packed.size(); ++size) {
    EXPECT_EQ(failure(packed.substr(0, size)), ErrorKind::kDataLoss) << size;
  }
  const std::string big = pack(content_);
  EXPECT_EQ(failure(big.substr(0, big.size() / 2)), ErrorKind::kDataLoss);
}

TEST_F(Gzip, DamageAndTrailingBytesAreNoticed) {
  std::string packed = pack(content_);
  EXPECT_EQ(failure(packed + "x"), ErrorKind::kDataLoss);
  EXPECT_EQ(failure(packed + std::string(8, '\0')), ErrorKind::kDataLoss);
  packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x10);
  EXPECT_EQ(failure(packed), ErrorKind::kDataLoss);
}

TEST_F(Gzip, AMissingFileIsNotFound) {
  try {
    read_maybe_gzip(folder_ / "none");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  }
}

}  // namespace
}  // namespace discreet
