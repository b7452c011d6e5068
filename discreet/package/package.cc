#include "discreet/package/package.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "discreet/base/file.h"
#include "discreet/base/hash.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

// The folder of the unfinished package: locked while we write, removed with everything in it unless finished.
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& path) : path_(path) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) throw file_error(errno, "cannot write", path);
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor_ < 0) throw file_error(errno, "cannot write", path);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw Error(ErrorKind::kUnavailable, path.string() + " is being written by another process");
    }
    try {
      empty();
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
  ~PartialFolder() {
    if (!finished_) {
      std::error_code ignored;
      fs::remove_all(path_, ignored);
    }
    ::close(descriptor_);
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  // Fails if `target` exists by now.
  void rename_to(const fs::path& target) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
      // Some file systems know no such flag; an empty folder is the only thing that rename would replace.
      if (errno != EINVAL || ::rename(path_.c_str(), target.c_str()) != 0) {
        throw file_error(errno, "cannot write", target);
      }
    }
    finished_ = true;
  }

 private:
  // A killed writer leaves plain files with names that a package may have; anything else is somebody's own.
  void empty() const {
    for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
      if (!fs::is_regular_file(entry.symlink_status())) {
        throw Error(ErrorKind::kAlreadyExists,
                    path_.string() + " holds something that is no part of a package");
      }
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(path_)) fs::remove(entry.path());
  }
  fs::path path_;
  int descriptor_ = -1;
  bool finished_ = false;
};

void refuse_existing(const fs::path& out) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(out, ignored))) {
    throw Error(ErrorKind::kAlreadyExists, out.string() + " exists already; choose another name");
  }
}

fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

void write_package(const fs::path& where, const std::map<std::string, std::string>& files,
                   const SigningKey& key) {
  const fs::path out = without_slash(where);
  refuse_existing(out);
  const Manifest manifest = Manifest::make(files, key);
  fs::path partial_path = out;
  partial_path += ".partial";
  PartialFolder partial(partial_path);
  for (const auto& [name, bytes] : files) write_file(partial_path / name, bytes);
  write_file(partial_path / "manifest.json", manifest.to_text());
  sync_folder(partial_path);
  refuse_existing(out);
  partial.rename_to(out);
  sync_folder(out.has_parent_path() ? out.parent_path() : fs::path("."));
}

Manifest read_manifest(const fs::path& package) {
  std::error_code ignored;
  if (!fs::is_directory(package, ignored)) {
    throw Error(ErrorKind::kNotFound, package.string() + " is not a package: there is no such folder");
  }
  if (!fs::exists(package / "manifest.json", ignored)) {
    throw Error(ErrorKind::kNotFound, package.string() + " is not a package: it has no manifest.json");
  }
  const std::string text = read_file(package / "manifest.json");
  try {
    const Manifest manifest = Manifest::from_text(text);
    if (!verify_signature(manifest.public_key, manifest.signed_bytes(), manifest.signature)) {
      throw Error(ErrorKind::kDataLoss, "manifest.json was changed: its signature does not fit");
    }
    return manifest;
  } catch (const Error& error) {
    throw Error(error.kind(), package.string() + ": " + error.what());
  }
}

std::string read_package_file(const fs::path& package, const std::string& name) {
  const Manifest manifest = read_manifest(package);
  const auto found = manifest.files.find(name);
  if (found == manifest.files.end()) {
    throw Error(ErrorKind::kNotFound, package.string() + " has no file " + name);
  }
  std::string bytes = read_file(package / name);
  if (sha256_hex(bytes) != found->second.sha256) {
    throw Error(ErrorKind::kDataLoss,
                package.string() + ": " + name + " was changed: its hash is not the manifest's");
  }
  return bytes;
}

}  // namespace discreet
