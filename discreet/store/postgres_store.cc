#include "discreet/store/postgres_store.h"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "discreet/base/error.h"
#include "discreet/base/file.h"
#include "discreet/base/hash.h"

namespace discreet {
namespace {

constexpr char kLock[] = "SELECT pg_advisory_xact_lock(1148412786)";  // "Dscr"

// What the URL says, and nothing of the environment. Messages of libpq are not passed on: they quote the URL.
std::map<std::string, std::string> parse(const std::string& url) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &message);
  if (message != nullptr) PQfreemem(message);
  if (options == nullptr) {
    throw Error(ErrorKind::kInvalidArgument,
                "the ledger's URL cannot be read; allowed is postgresql://USER@HOST:PORT/DATABASE, for a "
                "local socket "
                "postgresql:///DATABASE?host=/FOLDER");
  }
  std::map<std::string, std::string> values;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option)
    if (option->val != nullptr) values[option->keyword] = option->val;
  PQconninfoFree(options);
  for (const char* secret : {"password", "sslpassword"}) {
    if (!values[secret].empty()) {
      throw Error(
          ErrorKind::kInvalidArgument,
          "the ledger's URL holds a password, which others could read; put it into ~/.pgpass instead");
    }
  }
  return values;
}

int64_t integer(const PGresult* result, int row, int column) {
  uint64_t bytes = 0;
  if (PQgetlength(result, row, column) == sizeof bytes)
    std::memcpy(&bytes, PQgetvalue(result, row, column), sizeof bytes);
  return static_cast<int64_t>(be64toh(bytes));
}

std::string bytes(const PGresult* result, int row, int column) {
  return std::string(PQgetvalue(result, row, column), static_cast<size_t>(PQgetlength(result, row, column)));
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text;
}

}  // namespace

PostgresStore::PostgresStore(const std::string& url, std::chrono::milliseconds busy_timeout)
    : url_(url), busy_timeout_(busy_timeout) {
  auto values = parse(url);
  const std::string host = values["host"].empty() ? values["hostaddr"] : values["host"];
  address_ = host + ":" + values["port"] + "/" + values["dbname"];
  name_ = "ledger postgresql://" +
          (host.starts_with("/")
               ? "/" + values["dbname"] + "?host=" + host
               : host + (values["port"].empty() ? "" : ":" + values["port"]) + "/" + values["dbname"]);
  connect();
  if (format() == 0 && std::filesystem::exists(key_path())) {
    throw Error(ErrorKind::kDataLoss,
                name_ +
                    " is empty or gone, but its key is still there: put back a copy of it, "
                    "or remove " +
                    key_path().string() + " to start over");
  }
}

std::filesystem::path PostgresStore::key_path() const {
  return user_data_folder() / ("ledger-" + sha256_hex(address_).substr(0, 16) + ".key");
}

void PostgresStore::connect() {
  // Later ones overrule earlier ones, so the URL overrules the first two.
  const char* keywords[] = {"connect_timeout", "tcp_user_timeout", "fallback_application_name",
                            "dbname",          "client_encoding",  nullptr};
  const char* values[] = {"10", "30000", "discreet", url_.c_str(), "UTF8", nullptr};
  connection_.reset(PQconnectdbParams(keywords, values, /*expand_dbname=*/1));
  in_transaction_ = false;
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    const std::string reason = one_line(PQerrorMessage(connection_.get()));
    const bool refused =
        PQconnectionNeedsPassword(connection_.get()) || PQconnectionUsedPassword(connection_.get());
    throw Error(refused ? ErrorKind::kPermissionDenied : ErrorKind::kUnavailable,
                name_ + " cannot be reached: " + reason);
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  const std::string milliseconds = std::to_string(std::max<int64_t>(1, busy_timeout_.count()));
  run("SELECT set_config('lock_timeout', $1, false)", {milliseconds});
  const Result durable = run("SELECT current_setting('fsync'), current_setting('synchronous_commit')");
  if (bytes(durable.get(), 0, 0) != "on") {
    throw Error(ErrorKind::kUnsupported, name_ + " is on a server with fsync=off, which may forget a charge");
  }
  if (bytes(durable.get(), 0, 1) == "off") run("SET synchronous_commit = on");
}

PostgresStore::Result PostgresStore::run(const std::string& sql, const std::vector<std::string>& parameters,
                                         bool fresh) {
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const std::string& parameter : parameters) {
    values.push_back(parameter.data());
    lengths.push_back(static_cast<int>(parameter.size()));
    formats.push_back(1);  // the bytes themselves: text is its own binary form
  }
  const auto ask = [&] {
    return Result(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(parameters.size()), nullptr,
                               values.data(), lengths.data(), formats.data(), 1));
  };
  Result result = ask();
  if (fresh && !in_transaction_ && PQstatus(connection_.get()) == CONNECTION_BAD) {
    connect();
    result = ask();
  }
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(result.get());
  return result;
}

int64_t PostgresStore::number(const std::string& sql) {
  const Result result = run(sql, {}, true);
  return PQntuples(result.get()) == 1 ? integer(result.get(), 0, 0) : 0;
}

void PostgresStore::fail(const PGresult* result) const {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field != nullptr ? field : "";
  if (PQstatus(connection_.get()) == CONNECTION_BAD || state.starts_with("57P")) {
    throw Error(ErrorKind::kUnavailable, name_ + " cannot be reached: its server has closed the connection");
  }
  if (state == "55P03" || state == "40P01" || state == "57014") {
    throw Error(ErrorKind::kUnavailable,
                name_ + " is locked by another process; try again when it has ended");
  }
  if (state == "53100") throw Error(ErrorKind::kUnavailable, name_ + " cannot be written: the disk is full");
  if (state == "42501" || state == "25006") {
    throw Error(ErrorKind::kPermissionDenied,
                name_ + " may not be written by this user: nothing can be charged");
  }
  if (state.starts_with("XX") || state == "23505" || state.starts_with("42")) {
    throw Error(ErrorKind::kDataLoss, name_ + " is damaged, or its tables were changed");
  }
  const char* reason = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  throw Error(
      ErrorKind::kUnavailable,
      name_ + " cannot be used: " + one_line(reason != nullptr ? reason : "no answer from its server"));
}

int64_t PostgresStore::format() {
  if (number("SELECT count(*) FROM pg_class WHERE oid = to_regclass('discreet_format')") == 0) return 0;
  return number("SELECT max(version) FROM discreet_format");
}

int64_t PostgresStore::last() {
  return number("SELECT coalesce(max(number), 0) FROM discreet_entries");
}

void PostgresStore::for_each_after(int64_t number, const std::function<void(Entry)>& take) {
  const Result result =
      run("SELECT number, time, kind, subject, amount, body, hash FROM discreet_entries"
          " WHERE number > $1::text::bigint ORDER BY number",
          {std::to_string(number)}, true);
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    const auto text = [&](int column) { return bytes(result.get(), row, column); };
    take({integer(result.get(), row, 0), text(1), text(2), text(3), integer(result.get(), row, 4), text(5),
          text(6)});
  }
}

void PostgresStore::create(int64_t format) {
  run("CREATE TABLE discreet_format (version bigint NOT NULL)");
  run("CREATE TABLE discreet_entries (number bigint PRIMARY KEY, time text NOT NULL, kind text NOT NULL,"
      " subject text NOT NULL, amount bigint NOT NULL, body bytea NOT NULL, hash text NOT NULL)");
  run("INSERT INTO discreet_format VALUES ($1::text::bigint)", {std::to_string(format)});
}

void PostgresStore::append(const Entry& entry) {
  run("INSERT INTO discreet_entries VALUES ($1::text::bigint, $2::text, $3::text, $4::text, $5::text::bigint,"
      " $6::bytea, $7::text)",
      {std::to_string(entry.number), entry.time, entry.kind, entry.subject, std::to_string(entry.amount),
       entry.body, entry.hash});
}

void PostgresStore::begin() {
  run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", {}, true);
  in_transaction_ = true;
  try {
    run(kLock);
  } catch (...) {
    rollback();  // no scope has begun that would
    throw;
  }
}

void PostgresStore::commit() {
  const Result result = run("COMMIT");  // of a failed transaction this rolls back, without an error
  if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") fail(result.get());
  in_transaction_ = false;
}

void PostgresStore::rollback() noexcept {
  in_transaction_ = false;
  PQclear(PQexec(connection_.get(), "ROLLBACK"));
}

}  // namespace discreet
