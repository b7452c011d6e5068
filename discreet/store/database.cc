#include "discreet/store/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

// Only where there is no file: closing a descriptor of an open database would drop SQLite's POSIX locks.
void create_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    if (errno == EEXIST) return;
    throw file_error(errno, "cannot make ledger", path);
  }
  ::close(descriptor);
}

}  // namespace

Database::Database(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout) : path_(path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) throw file_error(errno, "cannot open ledger", path);
    create_file(path);
  } else if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kInvalidArgument, "ledger " + path.string() + " is not a file");
  }
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
  execute("PRAGMA trusted_schema=OFF");
  execute("PRAGMA cell_size_check=ON");
  execute("PRAGMA journal_mode=TRUNCATE");
  execute("PRAGMA synchronous=FULL");
}

void Database::execute(const std::string& sql) {
  Statement statement(*this, sql);
  while (statement.step()) {
  }
}

int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  if (!statement.step()) fail(SQLITE_CORRUPT);
  return statement.number(0);
}

void Database::fail(int code) const {
  const std::string name = "ledger " + path_.string();
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::kUnavailable,
                  name + " is locked by another process; try again when it has ended");
    case SQLITE_FULL: throw Error(ErrorKind::kUnavailable, name + " cannot be written: the disk is full");
    case SQLITE_CORRUPT:
      throw Error(ErrorKind::kDataLoss, name + " is damaged or truncated; put back a whole copy of it");
    case SQLITE_NOTADB:
      throw Error(ErrorKind::kDataLoss, name + " is not a ledger, or its beginning is damaged");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw Error(ErrorKind::kPermissionDenied, name + " is read-only: nothing can be charged");
    case SQLITE_CANTOPEN:
      if (::access(folder.c_str(), W_OK | X_OK) != 0 || ::access(path_.c_str(), R_OK | W_OK) != 0) {
        throw Error(ErrorKind::kPermissionDenied,
                    name + " or its folder may not be written: nothing can be charged");
      }
      throw Error(ErrorKind::kUnavailable, name + " cannot be opened");
    default: break;
  }
  std::string reason = sqlite3_errstr(code);
  if (const int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0; system != 0) {
    reason += std::string(", ") + std::strerror(system);
  }
  throw Error(ErrorKind::kUnavailable, name + " cannot be used: " + reason);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr));
  statement_.reset(statement);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) database_.fail(code);
}

Statement& Statement::bind(int place, int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), place, value));
  return *this;
}

Statement& Statement::bind_text(int place, std::string_view value) {
  check(sqlite3_bind_text64(statement_.get(), place, value.data(), value.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_bytes(int place, std::string_view value) {
  check(sqlite3_bind_blob64(statement_.get(), place, value.data(), value.size(), SQLITE_TRANSIENT));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.fail(code);
  return code == SQLITE_ROW;
}

int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

}  // namespace discreet
