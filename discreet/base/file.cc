#include "discreet/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace discreet {
namespace fs = std::filesystem;
namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() {
    const int result = ::close(fd_);
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

Error file_error(int code, std::string_view action, const fs::path& path) {
  ErrorKind kind = ErrorKind::kUnavailable;
  switch (code) {
    case ENOENT:
    case ENOTDIR: kind = ErrorKind::kNotFound; break;
    case EACCES:
    case EPERM:
    case EROFS: kind = ErrorKind::kPermissionDenied; break;
    case EEXIST: kind = ErrorKind::kAlreadyExists; break;
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL: kind = ErrorKind::kInvalidArgument; break;
    default: break;
  }
  return Error(kind, std::string(action) + " " + path.string() + ": " + std::strerror(code));
}

std::string read_file(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw file_error(errno, "cannot read", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw file_error(errno, "cannot read", path);
  std::string content;
  if (S_ISREG(status.st_mode)) content.reserve(static_cast<size_t>(status.st_size) + 1);
  size_t used = 0;
  for (;;) {
    content.resize(std::max(used + (1 << 16), content.capacity()));
    const ssize_t got = ::read(file.get(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(errno, "cannot read", path);
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  content.resize(used);
  return content;
}

void write_file(const fs::path& path, std::string_view bytes, int mode) {
  std::string temporary = path.string() + ".XXXXXX";
  Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) throw file_error(errno, "cannot write", path);
  const bool written = ::fchmod(file.get(), static_cast<mode_t>(mode)) == 0 && write_all(file.get(), bytes) &&
                       ::fsync(file.get()) == 0 && file.close() == 0 &&
                       ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const int code = errno;
    ::unlink(temporary.c_str());
    throw file_error(code, "cannot write", path);
  }
  sync_folder(folder_of(path));
}

void require_folder_of(const fs::path& path) {
  const fs::path folder = folder_of(path);
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) {
    throw Error(ErrorKind::kNotFound, path.string() + ": the folder " + folder.string() + " does not exist");
  }
}

void sync_folder(const fs::path& path) {
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) throw file_error(errno, "cannot open the folder", path);
  // EINVAL: a file system that has nothing to sync for a folder.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) throw file_error(errno, "cannot sync the folder", path);
}

namespace {

fs::path variable(const char* name) {
  const char* value = std::getenv(name);
  return fs::path(value != nullptr ? value : "");
}

// "discreet" in the folder that `name` names, else in `usual` of the user's home. The XDG specification
// ignores relative paths.
fs::path xdg_folder(const char* name, const fs::path& usual, const std::string& without_home) {
  fs::path base = variable(name);
  if (!base.is_absolute()) {
    const fs::path home = variable("HOME");
    if (home.empty()) throw Error(ErrorKind::kNotFound, without_home);
    base = home / usual;
  }
  return base / "discreet";
}

const fs::path& made_private(const fs::path& folder) {
  std::error_code failure;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), failure);
  if (failure) throw file_error(failure.value(), "cannot make the folder", folder.parent_path());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw file_error(errno, "cannot make the folder", folder);
  }
  if (!fs::is_directory(folder, failure)) throw file_error(ENOTDIR, "cannot use the folder", folder);
  return folder;
}

}  // namespace

fs::path user_data_folder() {
  const fs::path own = variable("DISCREET_HOME");
  return made_private(!own.empty() ? own
                                   : xdg_folder("XDG_DATA_HOME", ".local/share",
                                                "no home folder: set DISCREET_HOME to a folder for keys and "
                                                "ledger"));
}

fs::path user_state_folder() {
  return made_private(xdg_folder("XDG_STATE_HOME", ".local/state", "no home folder: set XDG_STATE_HOME"));
}

}  // namespace discreet
