#include "discreet/package/package.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "discreet/base/file.h"
#include "discreet/base/hash.h"
#include "discreet/package/keys.h"
#include "discreet/package/testing.h"
#include "discreet/package/verify.h"

namespace discreet {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_package::Home;
using testing_package::kind_of;
using testing_package::right_certificate;
namespace fs = std::filesystem;

// Without the syncs of write_file, for thousands of files.
void write_quickly(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class PackageTest : public testing::Test {
 protected:
  PackageTest() { write_package(package, files, own_signing_key()); }

  std::vector<std::string> names_beside() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(home.path())) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<std::string> problems() const { return verify_package(package).problems; }

  Home home;
  std::map<std::string, std::string> files = {{"privacy.json", certificate_text(right_certificate())},
                                              {"model.json", "{}\n"},
                                              {"weights.safetensors", std::string("\0\1\2\3", 4)}};
  fs::path package = home.path() / "people.discreet";
};

TEST_F(PackageTest, IsWrittenWholeAndValid) {
  EXPECT_THAT(names_beside(), ElementsAre("home", "people.discreet"));
  for (const auto& [name, bytes] : files) {
    EXPECT_EQ(read_file(package / name), bytes);
    EXPECT_EQ(read_package_file(package, name), bytes);
  }
  const Verification result = verify_package(package);
  EXPECT_TRUE(result.valid);
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.epsilon, right_certificate().guarantee.epsilon);
  EXPECT_EQ(result.delta, right_certificate().guarantee.delta);
  EXPECT_EQ(result.relation, "add-or-remove-one");
  EXPECT_EQ(result.unit, "row");
  EXPECT_TRUE(result.is_private);
  EXPECT_EQ(result.to_json()["valid"], true);
  EXPECT_EQ(result.to_json()["private"], true);
}

TEST_F(PackageTest, AnExistingPackageIsRefused) {
  const std::string before = read_file(package / "manifest.json");
  EXPECT_EQ(kind_of([&] {
              write_package(package, {{"model.json", "other"}}, own_signing_key());
            }),
            ErrorKind::kAlreadyExists);
  EXPECT_EQ(kind_of([&] { write_package(package.string() + "/", files, own_signing_key()); }),
            ErrorKind::kAlreadyExists);
  EXPECT_EQ(read_file(package / "manifest.json"), before);
  fs::create_symlink("nowhere", home.path() / "link.discreet");
  EXPECT_EQ(kind_of([&] { write_package(home.path() / "link.discreet", files, own_signing_key()); }),
            ErrorKind::kAlreadyExists);
  EXPECT_THAT(names_beside(), ElementsAre("home", "link.discreet", "people.discreet"));
}

TEST_F(PackageTest, OddFileNamesAreRefused) {
  for (const char* name :
       {"", ".", "..", "../x", "a/b", ".hidden", "two words", "manifest.json", "\xc3\xa9"}) {
    EXPECT_EQ(kind_of([&] {
                write_package(home.path() / "b.discreet", {{name, ""}}, own_signing_key());
              }),
              ErrorKind::kInvalidArgument)
        << name;
  }
  EXPECT_THAT(names_beside(), ElementsAre("home", "people.discreet"));
}

TEST_F(PackageTest, WhatAKilledWriterLeftIsReplaced) {
  const fs::path other = home.path() / "b.discreet";
  fs::create_directory(other.string() + ".partial");
  write_file(other.string() + ".partial/weights.safetensors", "half");
  EXPECT_EQ(kind_of([&] { verify_package(other); }), ErrorKind::kNotFound);
  write_package(other, files, own_signing_key());
  EXPECT_TRUE(verify_package(other).valid);
  EXPECT_FALSE(fs::exists(other.string() + ".partial"));
}

TEST_F(PackageTest, SomebodyElsesFolderIsLeftAlone) {
  const fs::path other = home.path() / "b.discreet";
  fs::create_directories(other.string() + ".partial/photos");
  EXPECT_EQ(kind_of([&] { write_package(other, files, own_signing_key()); }), ErrorKind::kAlreadyExists);
  EXPECT_TRUE(fs::exists(other.string() + ".partial/photos"));
}

TEST_F(PackageTest, TwoWritersDoNotMix) {
  const fs::path other = home.path() / "b.discreet";
  fs::create_directory(other.string() + ".partial");
  const int first = ::open((other.string() + ".partial").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(first, LOCK_EX), 0);
  EXPECT_EQ(kind_of([&] { write_package(other, files, own_signing_key()); }), ErrorKind::kUnavailable);
  EXPECT_TRUE(fs::exists(other.string() + ".partial"));
  ::close(first);
}

TEST_F(PackageTest, AFullDiskLeavesNothing) {
  const fs::path other = home.path() / "b.discreet";
  const SigningKey key = own_signing_key();
  files["weights.safetensors"] = std::string(1 << 20, 'w');
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 19, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto kind = kind_of([&] { write_package(other, files, key); });
    ::_exit(kind ? exit_code(*kind) : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), exit_code(ErrorKind::kUnavailable));
  EXPECT_THAT(names_beside(), ElementsAre("home", "people.discreet"));
  EXPECT_EQ(kind_of([&] { write_package(home.path() / "no" / "b.discreet", files, key); }),
            ErrorKind::kNotFound);
}

TEST_F(PackageTest, AChangedByteAnywhereIsNamed) {
  files["manifest.json"] = read_file(package / "manifest.json");
  for (const auto& [name, bytes] : files) {
    const size_t stride = name == "privacy.json" ? 37 : 1;
    for (size_t place = 0; place < bytes.size(); place += stride) {
      for (const unsigned char flip : {0x01, 0x20, 0x80}) {
        std::string changed = bytes;
        changed[place] = static_cast<char>(changed[place] ^ flip);
        write_quickly(package / name, changed);
        EXPECT_THAT(problems(), Contains(HasSubstr(name))) << "byte " << place;
      }
    }
    for (const std::string& changed : {bytes + " ", bytes.substr(0, bytes.size() - 1), std::string()}) {
      write_quickly(package / name, changed);
      EXPECT_THAT(problems(), Contains(HasSubstr(name)));
    }
    write_quickly(package / name, bytes);
    EXPECT_THAT(problems(), IsEmpty());
  }
  write_file(package / "model.json", "changed");
  EXPECT_EQ(kind_of([&] { read_package_file(package, "model.json"); }), ErrorKind::kDataLoss);
}

TEST_F(PackageTest, MissingAndAddedFilesAreNamed) {
  write_file(package / "extra.txt", "x");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("extra.txt")));
  fs::remove(package / "extra.txt");
  fs::create_directory(package / "folder");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("folder")));
  fs::remove(package / "folder");
  write_file(package / ".hidden", "x");
  EXPECT_EQ(problems().size(), 1u);
  fs::remove(package / ".hidden");
  fs::remove(package / "model.json");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("model.json")));
  write_file(home.path() / "model.json", files["model.json"]);
  fs::create_symlink("../model.json", package / "model.json");
  EXPECT_THAT(problems(), ElementsAre(HasSubstr("model.json")));
  EXPECT_EQ(kind_of([&] { read_package_file(package, "card.json"); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { verify_package(home.path() / "none.discreet"); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { verify_package(home.path()); }), ErrorKind::kNotFound);
}

// Somebody with a key of their own signs a certificate that claims too little.
TEST_F(PackageTest, ASignatureDoesNotMakeALieTrue) {
  Certificate certificate = right_certificate();
  certificate.guarantee.epsilon = 0.1;
  files["privacy.json"] = certificate_text(certificate);
  write_package(home.path() / "lie.discreet", files, own_signing_key());
  const Verification result = verify_package(home.path() / "lie.discreet");
  EXPECT_FALSE(result.valid);
  EXPECT_THAT(result.problems, ElementsAre(HasSubstr("guarantee.epsilon")));
  files.erase("privacy.json");
  write_package(home.path() / "bare.discreet", files, own_signing_key());
  EXPECT_THAT(verify_package(home.path() / "bare.discreet").problems, ElementsAre(HasSubstr("privacy.json")));
  EXPECT_EQ(verify_package(home.path() / "bare.discreet").to_json()["epsilon"], Json());
}

TEST_F(PackageTest, ATestSeedIsReported) {
  Certificate certificate = right_certificate();
  certificate.guarantee.is_private = false;
  files["privacy.json"] = certificate_text(certificate);
  write_package(home.path() / "seeded.discreet", files, own_signing_key());
  const Verification result = verify_package(home.path() / "seeded.discreet");
  EXPECT_TRUE(result.valid);
  EXPECT_FALSE(result.is_private);
}

TEST_F(PackageTest, SaysWhoseKey) {
  Verification result = verify_package(package);
  EXPECT_TRUE(result.key_known);
  EXPECT_EQ(result.key_owner, "your own key");
  EXPECT_EQ(result.key, own_signing_key().public_key());

  const SigningKey stranger = SigningKey::load_or_create(home.path() / "stranger.key");
  write_package(home.path() / "theirs.discreet", files, stranger);
  result = verify_package(home.path() / "theirs.discreet");
  EXPECT_TRUE(result.valid);
  EXPECT_FALSE(result.key_known);
  EXPECT_EQ(result.key_owner, "");

  write_file(home.path() / "home" / "trusted_keys", "# hospital\n" + result.key.substr(1) + " nobody\n  " +
                                                        result.key + "   The Hospital  # since 2026\n");
  result = verify_package(home.path() / "theirs.discreet");
  EXPECT_TRUE(result.key_known);
  EXPECT_THAT(result.key_owner, HasSubstr("The Hospital"));
}

TEST_F(PackageTest, LookingMakesNoKey) {
  const SigningKey stranger = SigningKey::load_or_create(home.path() / "stranger.key");
  write_package(home.path() / "theirs.discreet", files, stranger);
  fs::remove_all(home.path() / "home");
  EXPECT_TRUE(verify_package(home.path() / "theirs.discreet").valid);
  EXPECT_FALSE(fs::exists(home.path() / "home" / "signing.key"));
}

}  // namespace
}  // namespace discreet
