// Database: the few things that SqliteStore wants of SQLite, with errors that name the file.
//
// Rollback journal, truncated at commit, synchronous=FULL: a transaction that committed survives a power cut
// (https://www.sqlite.org/pragma.html#pragma_synchronous), and a file in a read-only folder can still be
// read. kUnavailable: locked for longer than the timeout, full disk, failing disk. kPermissionDenied:
// read-only. kDataLoss: not a database, or a damaged one. A failed transaction is rolled back. One thread at
// a time; never carried into a child process.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace discreet {

class Database {
 public:
  // Makes the file (mode 0600) if there is none.
  Database(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout);

  const std::filesystem::path& path() const { return path_; }
  void execute(const std::string& sql);
  int64_t number(const std::string& sql);  // first column of the first row
  [[noreturn]] void fail(int code) const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  // Places count from 1, columns from 0.
  Statement& bind(int place, int64_t value);
  Statement& bind_text(int place, std::string_view value);
  Statement& bind_bytes(int place, std::string_view value);
  bool step();  // true while there is a row
  int64_t number(int column) const;
  std::string bytes(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  void check(int code) const;
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace discreet
