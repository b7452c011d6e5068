#include "discreet/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "discreet/base/hash.h"

namespace discreet {
namespace {
namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = (fs::temp_directory_path() / "discreet-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Files() override {
    chmod(folder_.c_str(), 0700);
    fs::remove_all(folder_);
  }
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }
  fs::path folder_;
};

ErrorKind kind_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return ErrorKind::kUnsupported;
}

TEST_F(Files, WhatIsWrittenIsRead) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{65537}, size_t{1000003}}) {
    std::string content(size, 'x');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31 % 251);
    write_file(folder_ / "a", content);
    EXPECT_EQ(read_file(folder_ / "a"), content);
    EXPECT_EQ(sha256_file(folder_ / "a"), sha256_hex(content));
  }
  EXPECT_EQ(entries(), 1u);  // no temporary is left
}

TEST_F(Files, ModeIsSetExactly) {
  const mode_t former = umask(0);
  for (const int mode : {0600, 0644, 0666}) {
    write_file(folder_ / "a", "x", mode);
    struct stat status {};
    ASSERT_EQ(stat((folder_ / "a").c_str(), &status), 0);
    EXPECT_EQ(static_cast<int>(status.st_mode & 0777), mode);
  }
  umask(former);
}

TEST_F(Files, FilesWithoutASizeAreReadToTheEnd) {
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST_F(Files, ErrorsHaveKinds) {
  EXPECT_EQ(kind_of([&] { read_file(folder_ / "none"); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { sha256_file(folder_ / "none"); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { read_file(folder_); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { sha256_file(folder_); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { write_file(folder_ / "none" / "a", "x"); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { sync_folder(folder_ / "none"); }), ErrorKind::kNotFound);
  write_file(folder_ / "a", "x");
  EXPECT_EQ(kind_of([&] { write_file(folder_ / "a" / "b", "x"); }), ErrorKind::kNotFound);
  EXPECT_EQ(file_error(EROFS, "cannot write", "f").kind(), ErrorKind::kPermissionDenied);
  EXPECT_EQ(file_error(ENOSPC, "cannot write", "f").kind(), ErrorKind::kUnavailable);
  if (geteuid() != 0) {  // root may do everything
    chmod((folder_ / "a").c_str(), 0);
    EXPECT_EQ(kind_of([&] { read_file(folder_ / "a"); }), ErrorKind::kPermissionDenied);
    chmod(folder_.c_str(), 0500);
    EXPECT_EQ(kind_of([&] { write_file(folder_ / "b", "x"); }), ErrorKind::kPermissionDenied);
  }
}

// A limit on file size stands for the full disk: the write fails half-way.
[[noreturn]] void write_beyond_the_limit(const fs::path& target) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit {};
  limit.rlim_cur = limit.rlim_max = 1000;
  setrlimit(RLIMIT_FSIZE, &limit);
  try {
    write_file(target, std::string(100000, 'x'));
  } catch (const Error& error) {
    _exit(error.kind() == ErrorKind::kUnavailable ? 7 : 1);
  }
  _exit(2);
}

TEST_F(Files, AFailedWriteKeepsTheOldContentAndLeavesNothing) {
  write_file(folder_ / "a", "old");
  EXPECT_EXIT(write_beyond_the_limit(folder_ / "a"), testing::ExitedWithCode(7), "");
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(entries(), 1u);
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* former = std::getenv(name);
    if (former != nullptr) former_ = former, had_ = true;
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Environment() { had_ ? setenv(name_, former_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string former_;
  bool had_ = false;
};

TEST_F(Files, UserDataFolder) {
  const fs::path home = folder_ / "home", xdg = folder_ / "xdg", own = folder_ / "deep" / "own";
  const Environment set_home("HOME", home.c_str());
  {
    const Environment one("DISCREET_HOME", own.c_str()), two("XDG_DATA_HOME", xdg.c_str());
    EXPECT_EQ(user_data_folder(), own);
    struct stat status {};
    ASSERT_EQ(stat(own.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
  }
  const Environment none("DISCREET_HOME", nullptr);
  {
    const Environment two("XDG_DATA_HOME", xdg.c_str());
    EXPECT_EQ(user_data_folder(), xdg / "discreet");
    EXPECT_EQ(user_data_folder(), xdg / "discreet");  // it exists by now
  }
  {
    const Environment relative("XDG_DATA_HOME", "not/absolute");
    EXPECT_EQ(user_data_folder(), home / ".local/share/discreet");
  }
  const Environment no_xdg("XDG_DATA_HOME", nullptr);
  const Environment no_home("HOME", nullptr);
  EXPECT_EQ(kind_of([] { user_data_folder(); }), ErrorKind::kNotFound);
  write_file(folder_ / "file", "x");
  const Environment taken("DISCREET_HOME", (folder_ / "file").c_str());
  EXPECT_EQ(kind_of([] { user_data_folder(); }), ErrorKind::kNotFound);
}

TEST_F(Files, UserStateFolder) {
  const fs::path home = folder_ / "home", xdg = folder_ / "xdg";
  const Environment set_home("HOME", home.c_str()), own("DISCREET_HOME", folder_.c_str());
  {
    const Environment set("XDG_STATE_HOME", xdg.c_str());
    EXPECT_EQ(user_state_folder(), xdg / "discreet");
    struct stat status {};
    ASSERT_EQ(stat((xdg / "discreet").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
  }
  const Environment none("XDG_STATE_HOME", nullptr);
  EXPECT_EQ(user_state_folder(), home / ".local/state/discreet");
  const Environment no_home("HOME", nullptr);
  EXPECT_EQ(kind_of([] { user_state_folder(); }), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace discreet
