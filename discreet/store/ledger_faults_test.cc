// What machines and people do to a ledger: edits, kills, races; and to one in a file: full disks, read-only
// folders, locks, truncation. (Servers and networks: postgres_store_test.cc.)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>

#include "discreet/base/file.h"
#include "discreet/store/admission.h"
#include "discreet/store/ledger.h"
#include "discreet/store/postgres_testing.h"

namespace discreet {
namespace {

using testing_store::kind_of;
using testing_store::LedgerPlace;
using testing_store::PostgresServer;
using testing_store::Store;

Event training(int64_t steps) {
  return Event::repeated(Event::poisson_sampled(0.001, Event::gaussian(4.0)), steps);
}

// Runs `work` in a child process; its exit status is the error's exit code, 0 without an error.
pid_t in_child(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  int status = 0;
  try {
    work();
  } catch (const Error& error) {
    status = exit_code(error.kind());
  } catch (...) {
    status = 99;
  }
  ::_exit(status);
}

int exit_status(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class LedgerWithARun : public testing::Test {
 protected:
  explicit LedgerWithARun(Store store) : place(store) {}
  void SetUp() override {
    Ledger ledger = Ledger::open(path);
    DatasetSketch sketch = ledger.new_sketch();
    for (int record = 0; record < 100; ++record) sketch.add(std::to_string(record));
    people = ledger.identify(sketch, "people");
    run = reserve(ledger, 3);
    ledger.set_training(run, training(1000), 1000, {3, 1e-6});
    ledger.charge_steps(run, 1);
  }
  std::string reserve(Ledger& ledger, double epsilon) const {
    return ledger.reserve({people, epsilon, 1e-6, Relation::kAddOrRemoveOne, "row", "run"});
  }
  // "TABLE_": the table of entries.
  void sql(std::string statement) const {
    const std::string table = place.store() == Store::kSqlite ? "entries" : "discreet_entries";
    for (size_t at; (at = statement.find("TABLE_")) != std::string::npos;) statement.replace(at, 6, table);
    if (place.store() == Store::kPostgres) {
      PostgresServer::ask(path, statement);
      return;
    }
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << statement;
    sqlite3_close(handle);
  }

  LedgerPlace place;
  std::string path = place.where();
  std::string people, run;
};

class LedgerFaultsTest : public LedgerWithARun, public testing::WithParamInterface<Store> {
 protected:
  LedgerFaultsTest() : LedgerWithARun(GetParam()) {}
};

class LedgerFileTest : public LedgerWithARun {
 protected:
  LedgerFileTest() : LedgerWithARun(Store::kSqlite) {}
};

INSTANTIATE_TEST_SUITE_P(Stores, LedgerFaultsTest, testing::Values(Store::kSqlite, Store::kPostgres),
                         testing_store::store_name);

TEST_P(LedgerFaultsTest, EditedEntriesAreNoticedAtOpen) {
  sql("CREATE TABLE whole AS SELECT * FROM TABLE_");
  const std::string cheaper = GetParam() == Store::kSqlite
                                  ? "CAST(replace(CAST(body AS TEXT), '3.0', '1.0') AS BLOB)"
                                  : "convert_to(replace(convert_from(body, 'UTF8'), '3.0', '1.0'), 'UTF8')";
  for (const std::string& edit : {
           std::string("UPDATE TABLE_ SET amount = 0 WHERE kind = 'steps'"),
           "UPDATE TABLE_ SET body = " + cheaper + " WHERE kind = 'reserve'",
           std::string("UPDATE TABLE_ SET time = '2001-01-01T00:00:00Z' WHERE number = 2"),
           std::string("UPDATE TABLE_ SET subject = 'r0' WHERE kind = 'training'"),
           std::string("DELETE FROM TABLE_ WHERE kind = 'reserve'"),
           std::string("UPDATE TABLE_ SET number = number + 100 WHERE number > 3"),
           std::string("UPDATE TABLE_ SET hash = upper(hash) WHERE number = 4"),
       }) {
    ASSERT_EQ(kind_of([&] { Ledger::open(path); }), std::nullopt);
    sql(edit);
    EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kDataLoss) << edit;
    sql("DELETE FROM TABLE_");
    sql("INSERT INTO TABLE_ SELECT * FROM whole");
  }
}

TEST_P(LedgerFaultsTest, EntriesRemovedUnderAnOpenLedgerAreNoticed) {
  Ledger ledger = Ledger::open(path);
  sql("DELETE FROM TABLE_ WHERE kind = 'steps'");
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 1); }), ErrorKind::kDataLoss);
}

TEST_F(LedgerFileTest, DamagedFilesAreNoticed) {
  const std::string whole = read_file(path);
  const auto kind_with = [&](const std::string& bytes) {
    write_file(path, bytes, 0600);
    return kind_of([&] { Ledger::open(path).datasets(); });
  };
  EXPECT_EQ(kind_with(""), ErrorKind::kDataLoss);  // truncated to nothing is not a new ledger
  EXPECT_EQ(kind_with(whole.substr(0, 50)), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_with(whole.substr(0, whole.size() / 2)), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_with(whole.substr(0, whole.size() - 4096)), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_with("epsilon,delta\n1,1e-5\n" + std::string(1000, 'x')), ErrorKind::kDataLoss);
  EXPECT_EQ(kind_with(whole), std::nullopt);
  std::filesystem::remove(path);
  EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kDataLoss);  // gone, but its key is there
  std::filesystem::create_directory(path);
  EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { Ledger::open(place.folder() / "no" / "ledger.db"); }), ErrorKind::kNotFound);
}

TEST_P(LedgerFaultsTest, NewerFormatsAreRefused) {
  sql(GetParam() == Store::kSqlite ? "PRAGMA user_version=2" : "UPDATE discreet_format SET version = 2");
  EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kUnsupported);
}

TEST_F(LedgerFileTest, OtherDatabasesAreRefused) {
  sql("PRAGMA application_id=7");
  EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kDataLoss);
}

TEST_P(LedgerFaultsTest, WithoutItsKeyNoDataSetIsTakenForNew) {
  for (const auto& file : std::filesystem::directory_iterator(place.folder()))
    if (file.path().extension() == ".key") std::filesystem::remove(file.path());
  Ledger ledger = Ledger::open(path);
  EXPECT_EQ(kind_of([&] { ledger.new_sketch(); }), ErrorKind::kNotFound);
  EXPECT_EQ(ledger.run(run).charged_steps, 1);
}

TEST_F(LedgerFileTest, ALockedLedgerIsUnavailable) {
  Ledger ledger = Ledger::open(path, std::chrono::milliseconds(50));
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 2); }), ErrorKind::kUnavailable);
  EXPECT_EQ(kind_of([&] { (void)ledger.run(run); }), ErrorKind::kUnavailable);
  EXPECT_EQ(kind_of([&] { Ledger::open(path, std::chrono::milliseconds(50)); }), ErrorKind::kUnavailable);
  sqlite3_close(handle);
  ledger.charge_steps(run, 2);
  EXPECT_EQ(ledger.run(run).charged_steps, 2);
}

// The system refuses to let files grow, which SQLite meets in the middle of a transaction.
TEST_F(LedgerFileTest, AFullDiskChargesNothing) {
  const pid_t child = in_child([&] {
    Ledger ledger = Ledger::open(path);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2048, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ledger.charge_steps(run, 2);
  });
  EXPECT_EQ(exit_status(child), exit_code(ErrorKind::kUnavailable));
  Ledger ledger = Ledger::open(path);
  EXPECT_EQ(ledger.run(run).charged_steps, 1);
  ledger.charge_steps(run, 2);
}

TEST_F(LedgerFileTest, AReadOnlyFolderCanBeReadButNotCharged) {
  const auto as_somebody = [&](const std::function<void()>& work) {
    return exit_status(in_child([&] {
      if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(98);  // root may write anywhere
      work();
    }));
  };
  ::chmod(path.c_str(), 0644);
  ::chmod(place.folder().c_str(), 0555);
  EXPECT_EQ(as_somebody([&] {
              if (Ledger::open(path).run(run).charged_steps != 1) ::_exit(97);
            }),
            0);
  EXPECT_EQ(as_somebody([&] { Ledger::open(path).charge_steps(run, 2); }),
            exit_code(ErrorKind::kPermissionDenied));
  EXPECT_EQ(as_somebody([&] { Ledger::open(place.folder() / "new.db"); }),
            exit_code(ErrorKind::kPermissionDenied));
  ::chmod(path.c_str(), 0);
  EXPECT_EQ(as_somebody([&] { Ledger::open(path); }), exit_code(ErrorKind::kPermissionDenied));
  ::chmod(place.folder().c_str(), 0700);
}

// Four processes ask for 1.0 each, again and again, of what a cap leaves beside the first run.
TEST_P(LedgerFaultsTest, ProcessesCannotJointlyPassTheCap) {
  Ledger::open(path).set_cap(people, 5, 1e-4, Relation::kAddOrRemoveOne, "row");
  std::vector<pid_t> children;
  for (int process = 0; process < 4; ++process) {
    children.push_back(in_child([&] {
      Ledger ledger = Ledger::open(path, std::chrono::milliseconds(20000));
      for (;;) reserve(ledger, 1.0);
    }));
  }
  for (pid_t child : children) EXPECT_EQ(exit_status(child), exit_code(ErrorKind::kBudgetExhausted));
  const DatasetRecord record = Ledger::open(path).dataset(people);
  EXPECT_GE(record.runs.size(), 5u);
  EXPECT_LE(used_share(record), 1);
  EXPECT_LT(largest_further_run(record, 1e-6), 1);
}

// Several processes open a ledger that does not exist yet.
TEST_P(LedgerFaultsTest, ALedgerIsMadeOnce) {
  const std::string fresh = GetParam() == Store::kSqlite ? (place.folder() / "fresh.db").string()
                                                         : PostgresServer::shared().new_database();
  std::vector<pid_t> children;
  for (int process = 0; process < 6; ++process) {
    children.push_back(in_child([&] {
      Ledger ledger = Ledger::open(fresh);
      DatasetSketch sketch = ledger.new_sketch();
      sketch.add("one record");
      ledger.identify(sketch, "data");
    }));
  }
  for (pid_t child : children) EXPECT_EQ(exit_status(child), 0);
  EXPECT_EQ(Ledger::open(fresh).datasets().size(), 1u);
}

// Children run and release; each release is a line in a file, written once the charge has returned. They are
// killed at random moments; whatever the moment, the ledger has at least what was released.
TEST_P(LedgerFaultsTest, KilledAtAnyMomentChargedCoversReleased) {
  const char* soak = std::getenv("DISCREET_SOAK");
  const int kills = soak != nullptr ? 1000 : 20;
  const std::filesystem::path releases = place.folder() / "releases";
  std::mt19937 random(std::random_device{}());
  int interrupted_runs = 0;
  for (int kill = 0; kill < kills; ++kill) {
    std::vector<pid_t> children;
    for (int process = 0; process < 2; ++process) {
      children.push_back(in_child([&] {
        const int file = ::open(releases.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        const auto release = [&](const std::string& line) {
          if (::write(file, line.data(), line.size()) < 0) ::_exit(96);
        };
        Ledger ledger = Ledger::open(path, std::chrono::milliseconds(20000));
        for (;;) {
          const std::string id = reserve(ledger, 1.0);
          ledger.charge_statistics(id, Event::discrete_gaussian(50));
          release(id + " statistics 1\n");
          ledger.set_training(id, training(6), 6, {0.8, 8e-7});
          for (int64_t step = 2; step <= 6; step += 2) {
            ledger.charge_steps(id, step);
            release(id + " steps " + std::to_string(step) + "\n");
          }
          ledger.settle(id, 0.9, 1e-6, "certificate");
          release(id + " settled 1\n");
        }
      }));
    }
    ::usleep(std::uniform_int_distribution<useconds_t>(1000, 60000)(random));
    for (pid_t child : children) ::kill(child, SIGKILL);
    for (pid_t child : children) EXPECT_EQ(exit_status(child), -1);

    Ledger ledger = Ledger::open(path);
    std::istringstream lines(std::filesystem::exists(releases) ? read_file(releases) : "");
    std::string id, what;
    int64_t amount;
    while (lines >> id >> what >> amount) {
      const RunRecord record = ledger.run(id);
      if (what == "statistics") {
        EXPECT_GE(record.statistics_attempts, amount);
      } else if (what == "steps") {
        EXPECT_GE(record.charged_steps, amount);
      } else {
        EXPECT_EQ(record.status, "settled");
      }
    }
    for (const RunRecord& record : ledger.dataset(people).runs) {
      interrupted_runs += record.status == "reserved" && record.anything_charged();
      EXPECT_LE(record.charged_steps, record.planned_steps);
    }
  }
  EXPECT_GT(interrupted_runs, 0);  // the moments were not all trivial
}

}  // namespace
}  // namespace discreet
