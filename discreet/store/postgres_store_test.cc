// What servers, networks and roles do to a ledger in PostgreSQL. What every ledger must do is in
// ledger_test.cc and ledger_faults_test.cc, for both stores.
#include "discreet/store/postgres_store.h"

#include <gtest/gtest.h>

#include <functional>

#include "discreet/base/file.h"
#include "discreet/store/ledger.h"
#include "discreet/store/postgres_testing.h"

namespace discreet {
namespace {

using testing_store::kind_of;
using testing_store::LedgerPlace;
using testing_store::PostgresServer;
using testing_store::Store;

class PostgresStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    Ledger ledger = Ledger::open(url);
    DatasetSketch sketch = ledger.new_sketch();
    for (int record = 0; record < 100; ++record) sketch.add(std::to_string(record));
    people = ledger.identify(sketch, "people");
    run = ledger.reserve({people, 3, 1e-6, Relation::kAddOrRemoveOne, "row", "run"});
    ledger.set_training(run, Event::repeated(Event::gaussian(100), 1000), 1000, {3, 1e-6});
    ledger.charge_steps(run, 1);
  }
  std::string message_of(const std::string& where) const {
    try {
      Ledger::open(where, std::chrono::milliseconds(100));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  PostgresServer& server = PostgresServer::shared();
  LedgerPlace place{Store::kPostgres};
  std::string url = place.where(), database = PostgresServer::database_of(url);
  std::string people, run;
};

TEST_F(PostgresStoreTest, AServerThatStopsReleasesNothingAndIsFoundAgain) {
  Ledger ledger = Ledger::open(url);
  server.stop();
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 2); }), ErrorKind::kUnavailable);
  EXPECT_EQ(kind_of([&] { (void)ledger.run(run); }), ErrorKind::kUnavailable);
  EXPECT_EQ(kind_of([&] { Ledger::open(url); }), ErrorKind::kUnavailable);
  EXPECT_EQ(message_of(url).find('\n'), std::string::npos);
  server.start();
  EXPECT_EQ(ledger.run(run).charged_steps, 1);
  ledger.charge_steps(run, 2);
  EXPECT_EQ(Ledger::open(url).run(run).charged_steps, 2);
}

// As firewalls do to idle connections.
TEST_F(PostgresStoreTest, ALockedLedgerIsUnavailable) {
  Ledger ledger = Ledger::open(url, std::chrono::milliseconds(50));
  PostgresStore other(url, std::chrono::milliseconds(1000));
  {
    EntryStore::Transaction transaction(other);
    EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 2); }), ErrorKind::kUnavailable);
    EXPECT_EQ(ledger.run(run).charged_steps, 1);  // looking is free
  }
  ledger.charge_steps(run, 2);
}

TEST_F(PostgresStoreTest, AConnectionThatWasCutIsMadeAgain) {
  Ledger ledger = Ledger::open(url);
  const auto cut = [&] {
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'",
               "postgres");
  };
  cut();
  ledger.charge_steps(run, 2);
  cut();
  EXPECT_EQ(ledger.run(run).charged_steps, 2);
}

// Cut in the middle of a transaction it is rolled back whole, and nothing may be released.
TEST_F(PostgresStoreTest, ATransactionThatWasCutChargesNothing) {
  PostgresStore store(url, std::chrono::milliseconds(1000));
  const int64_t last = store.last();
  EXPECT_EQ(kind_of([&] {
              EntryStore::Transaction transaction(store);
              store.append({last + 1, "t", "steps", run, 2, "", "h"});
              server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
                             database + "' AND state LIKE 'idle in transaction%'",
                         "postgres");
              transaction.commit();
            }),
            ErrorKind::kUnavailable);
  EXPECT_EQ(store.last(), last);
}

// The server crashes under a client that charges step after step; what it reported as charged is there again.
TEST_F(PostgresStoreTest, ACrashOfTheServerKeepsWhatWasCharged) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Ledger ledger = Ledger::open(url);
    for (int step = 2; step <= 1000; ++step) {
      try {
        ledger.charge_steps(run, step);
      } catch (const Error& error) {
        ::_exit(exit_code(error.kind()));
      }
      if (::write(pipe[1], &step, sizeof step) < 0) ::_exit(96);
    }
    ::_exit(0);
  }
  int released = 1;
  for (int steps = 0; steps < 5; ++steps)
    ASSERT_EQ(::read(pipe[0], &released, sizeof released), int{sizeof released});
  server.crash();
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), exit_code(ErrorKind::kUnavailable));
  ::close(pipe[1]);
  while (::read(pipe[0], &released, sizeof released) > 0) {
  }
  ::close(pipe[0]);
  server.start();
  const int64_t charged = Ledger::open(url).run(run).charged_steps;
  EXPECT_GE(charged, released);
  EXPECT_LE(charged, released + 1);  // at most the one whose answer was lost
}

TEST_F(PostgresStoreTest, PasswordsAreRefusedAndNeverRepeated) {
  const std::string secret = "hunter2secret";
  for (const std::string& wrong : {"postgresql://owner:" + secret + "@/" + database,
                                   "postgresql://owner@/" + database + "?password=" + secret,
                                   "postgresql://owner:" + secret + "%zz@/" + database,
                                   "postgresql://owner:" + secret + "@host:port:port/x",
                                   "postgresql://owner@/x?sslpassword=" + secret}) {
    EXPECT_EQ(kind_of([&] { Ledger::open(wrong); }), ErrorKind::kInvalidArgument) << wrong;
    EXPECT_EQ(message_of(wrong).find(secret), std::string::npos) << message_of(wrong);
  }
}

TEST_F(PostgresStoreTest, OneWhoMayOnlyReadCannotCharge) {
  server.sql("DROP ROLE IF EXISTS reader", "postgres");
  server.sql("CREATE ROLE reader LOGIN", "postgres");
  server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database);
  Ledger reader = Ledger::open(server.url(database, "reader"));
  EXPECT_EQ(reader.run(run).charged_steps, 1);
  EXPECT_EQ(kind_of([&] { reader.charge_steps(run, 2); }), ErrorKind::kPermissionDenied);
  EXPECT_EQ(reader.run(run).charged_steps, 1);
  server.sql("GRANT INSERT ON discreet_entries TO reader", database);
  reader.charge_steps(run, 2);
  const std::string fresh = PostgresServer::database_of(server.new_database());
  EXPECT_EQ(kind_of([&] { Ledger::open(server.url(fresh, "reader")); }), ErrorKind::kPermissionDenied);
  server.sql("DROP OWNED BY reader", database);
}

TEST_F(PostgresStoreTest, AServerThatMayForgetIsRefused) {
  const auto set = [&](const std::string& value) {
    server.sql("ALTER SYSTEM SET fsync = " + value, "postgres");
    server.sql("SELECT pg_reload_conf()", "postgres");
    for (int tries = 0; tries < 200 && server.sql("SHOW fsync", "postgres") != value; ++tries)
      ::usleep(20000);
  };
  set("off");
  EXPECT_EQ(kind_of([&] { Ledger::open(url); }), ErrorKind::kUnsupported);
  set("on");
  EXPECT_EQ(kind_of([&] { Ledger::open(url); }), std::nullopt);
}

TEST_F(PostgresStoreTest, ALedgerThatVanishedIsNoticed) {
  Ledger ledger = Ledger::open(url);
  server.sql("DROP TABLE discreet_entries", database);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 2); }), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_of([&] { Ledger::open(url); }), ErrorKind::kDataLoss);
  server.sql("DROP TABLE discreet_format", database);
  EXPECT_EQ(kind_of([&] { Ledger::open(url); }), ErrorKind::kDataLoss);  // its key is still there
  EXPECT_EQ(kind_of([&] { Ledger::open(server.url("nowhere")); }), ErrorKind::kUnavailable);
}

// The key stays on this machine, beside the ledger of files; another machine needs a copy.
TEST_F(PostgresStoreTest, AnotherMachineNeedsTheKey) {
  ::setenv("DISCREET_HOME", (place.folder() / "another").c_str(), 1);
  Ledger ledger = Ledger::open(url);
  EXPECT_EQ(kind_of([&] { ledger.new_sketch(); }), ErrorKind::kNotFound);
  const std::filesystem::path key = PostgresStore(url, std::chrono::milliseconds(100)).key_path();
  std::filesystem::copy(place.folder() / key.filename(), key);
  DatasetSketch sketch = ledger.new_sketch();
  for (int record = 0; record < 100; ++record) sketch.add(std::to_string(record));
  EXPECT_EQ(ledger.identify(sketch, "renamed"), people);
}

}  // namespace
}  // namespace discreet
