// Files for the tests of this room: a folder that goes away, and the message of an expected error.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "discreet/base/error.h"

namespace discreet {

class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "discreet_data_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder = name;
  }
  ~FolderTest() override { std::filesystem::remove_all(folder); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    const auto path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::filesystem::path write_gzip(const std::string& name, const std::string& bytes) {
    const auto path = folder / name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path;
  }

  std::filesystem::path folder;
};

// What `call` says when it refuses: "KIND: message", with `folder`/ removed; "" if it does not.
template <typename Call>
std::string refusal(Call call, const std::filesystem::path& folder = {}) {
  try {
    call();
  } catch (const Error& error) {
    std::string message = std::string(to_string(error.kind())) + ": " + error.what();
    const std::string prefix = folder.string() + "/";
    for (auto at = message.find(prefix); !folder.empty() && at != std::string::npos;
         at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    return message;
  }
  return "";
}

}  // namespace discreet
