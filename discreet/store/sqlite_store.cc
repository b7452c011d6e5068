#include "discreet/store/sqlite_store.h"

#include "discreet/base/error.h"

namespace discreet {
namespace {

constexpr int64_t kApplicationId = 0x44736372;  // "Dscr", in the SQLite header

std::filesystem::path key_of(std::filesystem::path path) {
  return path += ".key";
}

const std::filesystem::path& not_emptied(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool empty =
      std::filesystem::is_regular_file(path, ignored) && std::filesystem::is_empty(path, ignored);
  if ((empty || !std::filesystem::exists(path, ignored)) && std::filesystem::exists(key_of(path), ignored)) {
    throw Error(ErrorKind::kDataLoss,
                "ledger " + path.string() +
                    " is empty or gone, but its key is still there: put back a copy of it, "
                    "or remove " +
                    key_of(path).string() + " to start over");
  }
  return path;
}

}  // namespace

SqliteStore::SqliteStore(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout)
    : name_("ledger " + path.string()), database_(not_emptied(path), busy_timeout) {}

std::filesystem::path SqliteStore::key_path() const {
  return key_of(database_.path());
}

int64_t SqliteStore::format() {
  if (database_.number("SELECT count(*) FROM sqlite_schema") == 0) return 0;
  if (database_.number("PRAGMA application_id") != kApplicationId) {
    throw Error(ErrorKind::kDataLoss, "it is a database, but not a ledger of Discreet");
  }
  return database_.number("PRAGMA user_version");
}

int64_t SqliteStore::last() {
  return database_.number("SELECT ifnull(max(number), 0) FROM entries");
}

void SqliteStore::for_each_after(int64_t number, const std::function<void(Entry)>& take) {
  Statement statement(database_,
                      "SELECT number, time, kind, subject, amount, body, hash FROM entries WHERE number > ?"
                      " ORDER BY number");
  statement.bind(1, number);
  while (statement.step()) {
    take({statement.number(0), statement.bytes(1), statement.bytes(2), statement.bytes(3),
          statement.number(4), statement.bytes(5), statement.bytes(6)});
  }
}

void SqliteStore::create(int64_t format) {
  database_.execute("PRAGMA application_id=" + std::to_string(kApplicationId));
  database_.execute("PRAGMA user_version=" + std::to_string(format));
  database_.execute(
      "CREATE TABLE entries (number INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL,"
      " subject TEXT NOT NULL, amount INTEGER NOT NULL, body BLOB NOT NULL, hash TEXT NOT NULL) STRICT");
}

void SqliteStore::append(const Entry& entry) {
  Statement statement(database_, "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)");
  statement.bind(1, entry.number).bind_text(2, entry.time).bind_text(3, entry.kind);
  statement.bind_text(4, entry.subject).bind(5, entry.amount).bind_bytes(6, entry.body);
  statement.bind_text(7, entry.hash).step();
}

void SqliteStore::begin() {
  database_.execute("BEGIN IMMEDIATE");
}

void SqliteStore::commit() {
  database_.execute("COMMIT");  // on an error the scope's end rolls back
}

void SqliteStore::rollback() noexcept {
  sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace discreet
