// An EntryStore in a PostgreSQL database, which several machines can share (docs/ledger.md).
//
// Writers wait for each other at an advisory lock of the database, for at most the timeout. A connection that
// was lost between transactions is made again once. kUnsupported for a server with fsync=off, which may
// forget a charge.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <vector>

#include "discreet/store/entry_store.h"

namespace discreet {

class PostgresStore : public EntryStore {
 public:
  // kInvalidArgument for a URL that cannot be read, and for one with a password in it, which would stay in
  // the shell's history and in the run's folder; kDataLoss where the ledger is gone while its key is there.
  PostgresStore(const std::string& url, std::chrono::milliseconds busy_timeout);

  const std::string& name() const override { return name_; }
  std::filesystem::path key_path() const override;
  int64_t format() override;
  int64_t last() override;
  void for_each_after(int64_t number, const std::function<void(Entry)>& take) override;
  void create(int64_t format) override;
  void append(const Entry& entry) override;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  void connect();
  // Parameters are $1, $2, ...; the answer is in binary. `fresh`: nothing is lost if the connection has to be
  // made again first.
  Result run(const std::string& sql, const std::vector<std::string>& parameters = {}, bool fresh = false);
  int64_t number(const std::string& sql);
  [[noreturn]] void fail(const PGresult* result) const;

  std::string url_, name_, address_;
  std::chrono::milliseconds busy_timeout_;
  bool in_transaction_ = false;
  std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace discreet
