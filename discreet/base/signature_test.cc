#include "discreet/base/signature.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "discreet/base/file.h"

namespace discreet {
namespace {
namespace fs = std::filesystem;

class Signature : public testing::Test {
 protected:
  Signature() {
    std::string pattern = (fs::temp_directory_path() / "discreet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Signature() override { fs::remove_all(folder_); }
  fs::path folder_;
};

// RFC 8032, 7.1, tests 1 and 2.
TEST_F(Signature, IsEd25519) {
  write_file(folder_ / "one", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n", 0600);
  const SigningKey one = SigningKey::load_or_create(folder_ / "one");
  EXPECT_EQ(one.public_key(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(one.sign(""),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0"
            "595bbe24655141438e7a100b");
  write_file(folder_ / "two", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 0600);
  EXPECT_EQ(SigningKey::load_or_create(folder_ / "two").sign("\x72"),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eae"
            "b4302aeeb00d291612bb0c00");
}

TEST_F(Signature, IsMadeOnceAndKept) {
  const fs::path path = folder_ / "deep" / "key";
  const std::string first = SigningKey::load_or_create(path).public_key();
  EXPECT_EQ(SigningKey::load_or_create(path).public_key(), first);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_NE(SigningKey::load_or_create(folder_ / "other").public_key(), first);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "deep"), {}), 1);
}

TEST_F(Signature, ProcessesThatStartTogetherShareOneKey) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  for (int i = 0; i < 8; ++i) {
    if (fork() == 0) {
      const std::string key = SigningKey::load_or_create(folder_ / "key").public_key();
      _exit(write(ends[1], key.data(), 64) == 64 ? 0 : 1);
    }
  }
  std::set<std::string> keys;
  for (int i = 0; i < 8; ++i) {
    std::string key(64, ' ');
    ASSERT_EQ(read(ends[0], key.data(), 64), 64);
    keys.insert(key);
    int status = 0;
    wait(&status);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(keys.size(), 1u);
}

TEST_F(Signature, AnyChangedBitIsNoticed) {
  const SigningKey key = SigningKey::load_or_create(folder_ / "key");
  const std::string message = "twelve bytes", signature = key.sign(message), name = key.public_key();
  EXPECT_TRUE(verify_signature(name, message, signature));
  for (size_t i = 0; i < message.size(); ++i) {
    std::string changed = message;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(verify_signature(name, changed, signature));
  }
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string changed = signature;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_FALSE(verify_signature(name, message, changed));
  }
  for (const std::string& bad :
       {std::string(), std::string("zz"), signature + "0", signature.substr(1), name}) {
    EXPECT_FALSE(verify_signature(name, message, bad));
    EXPECT_FALSE(bad != name && verify_signature(bad, message, signature));
  }
}

TEST_F(Signature, RefusesAKeyFileThatOthersReadOrThatIsDamaged) {
  const fs::path path = folder_ / "key";
  SigningKey::load_or_create(path);
  chmod(path.c_str(), 0640);
  try {
    SigningKey::load_or_create(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kPermissionDenied);
  }
  const std::string good = read_file(path);
  for (const std::string& content : {std::string(), std::string("hello"), good.substr(1), good + "00"}) {
    write_file(path, content, 0600);
    try {
      SigningKey::load_or_create(path);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kDataLoss);
      EXPECT_TRUE(content.empty() || std::string(error.what()).find(content) == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace discreet
