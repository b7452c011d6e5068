// For tests: a PostgreSQL server of this program's own, on a socket in a temporary folder, gone with the
// program.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "discreet/store/testing.h"

namespace discreet::testing_store {

class PostgresServer {
 public:
  static PostgresServer& shared() {
    static PostgresServer server;
    return server;
  }

  // The URL of a fresh database; `user` as in a URL.
  std::string new_database() {
    const std::string name = "d" + std::to_string(++databases_);
    sql("CREATE DATABASE " + name, "postgres");
    return url(name);
  }
  std::string url(const std::string& database, const std::string& user = "owner") const {
    return "postgresql://" + user + "@/" + database + "?host=" + folder_.path().string();
  }
  // As a superuser; the first column of the first row.
  std::string sql(const std::string& statement, const std::string& database) const {
    return ask(url(database), statement);
  }
  static std::string ask(const std::string& url, const std::string& statement) {
    PGconn* connection = PQconnectdb(url.c_str());
    PQsetNoticeProcessor(
        connection, [](void*, const char*) {}, nullptr);
    PGresult* result = PQexec(connection, statement.c_str());
    const auto status = PQresultStatus(result);
    const std::string error = PQerrorMessage(connection);
    const std::string answer = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    PQfinish(connection);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      throw std::runtime_error(statement + ": " + error);
    return answer;
  }
  static std::string database_of(const std::string& url) {
    const size_t begin = url.find("@/") + 2;
    return url.substr(begin, url.find('?') - begin);
  }

  void start() {
    server_ = spawn({"postgres", "-D", data(), "-k", folder_.path(), "-c", "listen_addresses=", "-c",
                     "shared_buffers=16MB", "-c", "autovacuum=off", "-c", "max_connections=30", "-c",
                     "log_min_messages=fatal"});
    const std::string address = url("postgres");
    for (int tries = 0; PQping(address.c_str()) != PQPING_OK; ++tries) {
      if (tries == 600) throw std::runtime_error("PostgreSQL does not start");
      ::usleep(50000);
    }
  }
  void stop() { end(SIGINT); }    // ends its sessions
  void crash() { end(SIGQUIT); }  // at once, to be recovered from its log

 private:
  PostgresServer() {
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql"))
      binaries_ = version.path() / "bin";
    const passwd* user = ::getpwnam("postgres");
    if (binaries_.empty() || user == nullptr)
      throw std::runtime_error("Debian's postgresql is missing (tools/packages.txt)");
    user_ = user->pw_uid;
    group_ = user->pw_gid;
    if (::geteuid() == 0 && ::chown(folder_.path().c_str(), user_, group_) != 0)
      throw std::runtime_error("chown");
    int status = 0;
    ::waitpid(spawn({"initdb", "-D", data(), "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale=C",
                     "--no-sync"}),
              &status, 0);
    if (status != 0) throw std::runtime_error("initdb failed");
    start();
  }
  ~PostgresServer() { stop(); }

  std::string data() const { return folder_.path() / "data"; }

  void end(int signal) {
    if (server_ == 0) return;
    ::kill(server_, signal);
    ::waitpid(server_, nullptr, 0);
    server_ = 0;
  }

  // As an unprivileged user, which PostgreSQL insists on; it ends with this program, however that ends.
  pid_t spawn(std::vector<std::string> command) const {
    const pid_t parent = ::getpid(), child = ::fork();
    if (child != 0) return child;
    if (::geteuid() == 0 &&
        (::initgroups("postgres", group_) != 0 || ::setgid(group_) != 0 || ::setuid(user_) != 0))
      ::_exit(98);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != parent || ::chdir("/") != 0) ::_exit(97);
    const int log = ::open((folder_.path() / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (::dup2(log, 1) != 1 || ::dup2(log, 2) != 2) ::_exit(96);
    command[0] = binaries_ / command[0];
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(95);
  }

  TemporaryFolder folder_;
  std::filesystem::path binaries_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  pid_t server_ = 0;
  int databases_ = 0;
};

// A ledger's place in either store; keys are kept in the folder.
enum class Store { kSqlite, kPostgres };

class LedgerPlace {
 public:
  explicit LedgerPlace(Store store) : store_(store) {
    ::setenv("DISCREET_HOME", folder_.path().c_str(), 1);
    where_ = store == Store::kSqlite ? (folder_.path() / "ledger.db").string()
                                     : PostgresServer::shared().new_database();
  }
  const std::string& where() const { return where_; }
  const std::filesystem::path& folder() const { return folder_.path(); }
  Store store() const { return store_; }

 private:
  Store store_;
  TemporaryFolder folder_;
  std::string where_;
};

inline std::string store_name(const testing::TestParamInfo<Store>& info) {
  return info.param == Store::kSqlite ? "Sqlite" : "Postgres";
}

}  // namespace discreet::testing_store
