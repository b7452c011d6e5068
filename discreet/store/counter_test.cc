// An older or another copy of the ledger that is put back: noticed by the counter that is kept apart,
// accepted only by the owner's word, and counted then as what it is.
#include "discreet/store/counter.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "discreet/base/file.h"
#include "discreet/store/admission.h"
#include "discreet/store/ledger.h"
#include "discreet/store/postgres_testing.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;
using testing_store::kind_of;
using testing_store::LedgerPlace;
using testing_store::PostgresServer;
using testing_store::Store;

constexpr Relation kAdd = Relation::kAddOrRemoveOne;

class CounterTest : public testing::TestWithParam<Store> {
 protected:
  void SetUp() override {
    Ledger ledger = Ledger::open(path);
    DatasetSketch sketch = ledger.new_sketch();
    for (int record = 0; record < 100; ++record) sketch.add(std::to_string(record));
    people = ledger.identify(sketch, "people");
    ledger.set_cap(people, 8, 1e-5, kAdd, "row");
    run = ledger.reserve({people, 1, 1e-6, kAdd, "row", "run"});
    ledger.set_training(run, Event::repeated(Event::gaussian(1000), 1000), 1000, {1, 1e-6});
  }

  // The ledger of this moment, kept aside under a name of its own, and put back in place of the present one.
  void copy(const std::string& name) const {
    if (GetParam() == Store::kSqlite) {
      fs::copy_file(path, place.folder() / name);
    } else {
      PostgresServer::ask(path, "CREATE TABLE " + name + " AS SELECT * FROM discreet_entries");
    }
  }
  void put_back(const std::string& name) const {
    if (GetParam() == Store::kSqlite) {
      fs::copy_file(place.folder() / name, path, fs::copy_options::overwrite_existing);
    } else {
      PostgresServer::ask(path, "DELETE FROM discreet_entries");
      PostgresServer::ask(path, "INSERT INTO discreet_entries SELECT * FROM " + name);
    }
  }
  fs::path counter() const {
    for (const auto& file : fs::directory_iterator(user_state_folder()))
      if (!file.path().has_extension()) return file.path();  // not what a killed process was writing
    return {};
  }
  std::optional<ErrorKind> opening() const {
    return kind_of([&] { Ledger::open(path); });
  }
  std::string message() const {
    try {
      Ledger::open(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  LedgerPlace place{GetParam()};
  std::string path = place.where(), people, run;
};

INSTANTIATE_TEST_SUITE_P(Stores, CounterTest, testing::Values(Store::kSqlite, Store::kPostgres),
                         testing_store::store_name);

TEST_P(CounterTest, AnOlderCopyIsNoticed) {
  copy("older");
  Ledger::open(path).charge_steps(run, 1);
  copy("newest");
  put_back("older");
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);
  EXPECT_NE(message().find("has 6 entries, and had 7"), std::string::npos) << message();
  EXPECT_NE(message().find("accept-restored"), std::string::npos);
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);  // looking at it changed nothing
  put_back("newest");
  EXPECT_EQ(opening(), std::nullopt);
}

// A program that has the ledger open, while a copy that was put back grows to as many entries as it saw.
TEST_P(CounterTest, AnOpenLedgerDoesNotGoOnFromEntriesThatAreGone) {
  copy("older");
  Ledger open = Ledger::open(path);
  for (int64_t step = 1; step <= 3; ++step) open.charge_steps(run, step);
  put_back("older");
  Ledger accepted = Ledger::accept_restored(path);
  DatasetSketch sketch = accepted.new_sketch();
  for (int record = 1000; record < 1100; ++record) sketch.add(std::to_string(record));
  accepted.identify(sketch, "others");
  ASSERT_EQ(accepted.history().size(), 9u);  // as many as `open` saw
  EXPECT_EQ(kind_of([&] { open.charge_steps(run, 4); }), ErrorKind::kDataLoss);
  EXPECT_EQ(opening(), std::nullopt);
}

// Each copy goes on by itself: as long as the other, or longer.
TEST_P(CounterTest, ACopyThatWentItsOwnWayIsNoticed) {
  copy("older");
  Ledger::open(path).charge_steps(run, 1);
  const std::string seen = read_file(counter());
  for (int steps : {1, 3}) {
    put_back("older");
    fs::remove(counter());  // as on another machine
    Ledger other = Ledger::open(path);
    for (int step = 1; step <= steps; ++step) other.charge_steps(run, 10 + step);
    write_file(counter(), seen);
    EXPECT_EQ(opening(), ErrorKind::kDataLoss) << steps;
    EXPECT_EQ(kind_of([&] { other.charge_steps(run, 20); }), ErrorKind::kDataLoss) << steps;
    EXPECT_NE(message().find("its entry 7 is not the one that was there"), std::string::npos) << message();
  }
}

TEST_P(CounterTest, ACopyPutBackUnderAnOpenLedgerChargesNothing) {
  copy("older");
  Ledger ledger = Ledger::open(path);
  Ledger::open(path).charge_steps(run, 1);
  put_back("older");
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 1); }), ErrorKind::kDataLoss);
}

// A copy of the file elsewhere is the same ledger.
TEST_P(CounterTest, ACopyElsewhereIsTheSameLedger) {
  if (GetParam() != Store::kSqlite) GTEST_SKIP() << "of files";
  copy("older");
  fs::copy_file(path + ".key", place.folder() / "older.key");
  Ledger::open(path).charge_steps(run, 1);
  EXPECT_EQ(kind_of([&] { Ledger::open(place.folder() / "older"); }), ErrorKind::kDataLoss);
}

// Killed between a commit and the counter: the counter is behind, by that transaction alone.
TEST_P(CounterTest, ACounterThatIsBehindIsNoAlarm) {
  copy("older");
  Ledger::open(path).charge_steps(run, 1);
  const std::string behind = read_file(counter());
  copy("before_the_last");
  Ledger::open(path).charge_steps(run, 2);
  write_file(counter(), behind);
  EXPECT_EQ(Ledger::open(path).run(run).charged_steps, 2);
  EXPECT_NE(read_file(counter()), behind);  // it has caught up
  put_back("before_the_last");
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);
  write_file(counter(), behind);
  EXPECT_EQ(opening(), std::nullopt);  // hidden: the one transaction in flight
  put_back("older");
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);  // and no more
}

// Killed before the commit: neither has moved. (A counter that moved first would be a false alarm here.)
TEST_P(CounterTest, ATransactionThatFailsMovesNothing) {
  Ledger ledger = Ledger::open(path);
  const std::string before = read_file(counter());
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 2000); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(read_file(counter()), before);
  EXPECT_EQ(opening(), std::nullopt);
}

// Three processes charge and are killed at random moments, between commit and counter too. There is never a
// false alarm, and what was released is not hidden by more than a transaction a process.
TEST_P(CounterTest, KilledAtAnyMomentThereIsNoFalseAlarm) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 20; ++round) {
    std::vector<pid_t> children;
    for (int process = 0; process < 3; ++process) {
      const pid_t child = ::fork();
      if (child == 0) {
        try {
          Ledger ledger = Ledger::open(path, std::chrono::milliseconds(20000));
          for (;;) ledger.give_up(ledger.reserve({people, 1e-3, 1e-6, kAdd, "row", "run"}));
        } catch (const Error& error) {
          ::_exit(exit_code(error.kind()));
        }
      }
      children.push_back(child);
    }
    ::usleep(std::uniform_int_distribution<useconds_t>(5000, 60000)(random));
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    }
    const std::string text = read_file(counter());
    const auto last = static_cast<int64_t>(Ledger::open(path).history().size());
    int64_t seen = 0;
    ASSERT_EQ(std::sscanf(text.c_str(), "discreet-counter-1 %*s %ld", &seen), 1);
    EXPECT_LE(seen, last);
    EXPECT_GE(seen, last - 3);
  }
}

TEST_P(CounterTest, ItNeverMovesBack) {
  const std::string id = Ledger::open(path).history()[0].subject;
  LedgerCounter ahead(id);
  const auto seen = ahead.read();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->entries, 6);
  EXPECT_EQ(seen->head, Ledger::open(path).head());
  const auto extent = [](int64_t entries) { return Extent{entries, std::string(64, '0')}; };
  ahead.advance(extent(5), {});
  ahead.advance(extent(6), {extent(6)});
  EXPECT_EQ(LedgerCounter(id).read(), seen);
  ahead.advance(extent(7), {});
  EXPECT_EQ(LedgerCounter(id).read(), extent(7));
  ahead.advance(extent(5), {*seen});
  EXPECT_EQ(LedgerCounter(id).read(), extent(7));
  ahead.advance(extent(5), {*seen, extent(7)});  // given up by the owner
  EXPECT_EQ(LedgerCounter(id).read(), extent(5));
  struct stat status {};
  ASSERT_EQ(::stat(counter().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_P(CounterTest, ADamagedCounterIsSaid) {
  const std::string whole = read_file(counter());
  std::string other = whole;
  other[other.find(" l") + 2] ^= 1;
  for (const std::string& damaged : {std::string(), whole.substr(0, 30), whole.substr(0, whole.size() - 1),
                                     std::string(500, '\xff'), whole + whole, other}) {
    write_file(counter(), damaged);
    EXPECT_EQ(opening(), ErrorKind::kDataLoss);
    EXPECT_NE(message().find(counter().string()), std::string::npos) << message();
    EXPECT_EQ(kind_of([&] { Ledger::accept_restored(path); }), ErrorKind::kDataLoss);
  }
  fs::remove(counter());
  EXPECT_EQ(opening(), std::nullopt);
  EXPECT_EQ(read_file(counter()), whole);
}

TEST_P(CounterTest, WithoutAStateFolderWorkGoesOnAndItIsSaid) {
  EXPECT_EQ(Ledger::open(path).counter_trouble(), "");
  const fs::path state = ::getenv("XDG_STATE_HOME");
  const std::string before = read_file(counter());
  write_file(place.folder() / "file", "no folder");
  ::setenv("XDG_STATE_HOME", (place.folder() / "file").c_str(), 1);
  {
    Ledger ledger = Ledger::open(path);
    EXPECT_NE(ledger.counter_trouble(), "");
    ledger.charge_steps(run, 1);
    EXPECT_EQ(ledger.run(run).charged_steps, 1);
  }
  ::setenv("XDG_STATE_HOME", state.c_str(), 1);
  EXPECT_EQ(read_file(counter()), before);
  EXPECT_EQ(opening(), std::nullopt);
}

// One who may only read the counter is still warned by it.
TEST_P(CounterTest, AReadOnlyCounterIsStillRead) {
  if (GetParam() != Store::kSqlite) GTEST_SKIP() << "one store is enough";
  const fs::path seen = counter();
  copy("older");
  Ledger::open(path).charge_steps(run, 1);
  const auto as_somebody = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(98);  // root may write anywhere
      try {
        Ledger ledger = Ledger::open(path);
        if (ledger.counter_trouble().empty()) ::_exit(97);
        ledger.charge_steps(run, 2);
      } catch (const Error& error) {
        ::_exit(exit_code(error.kind()));
      }
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  for (const fs::path& folder : {place.folder(), seen.parent_path().parent_path()})
    ::chmod(folder.c_str(), 0777);
  const auto shared = [&] {
    for (const auto& file : fs::directory_iterator(place.folder()))
      if (file.is_regular_file()) ::chmod(file.path().c_str(), 0666);
    ::chmod(seen.c_str(), 0444);
  };
  shared();
  ::chmod(seen.parent_path().c_str(), 0555);
  EXPECT_EQ(as_somebody(), 0);
  EXPECT_EQ(Ledger::open(path).run(run).charged_steps, 2);
  put_back("older");
  shared();
  EXPECT_EQ(as_somebody(), exit_code(ErrorKind::kDataLoss));
  ::chmod(seen.parent_path().c_str(), 0700);
}

// What was charged since the copy is not known: nothing of it may be spent again.
TEST_P(CounterTest, AcceptedItIsRecordedAndNoCapOpensAgain) {
  EXPECT_EQ(kind_of([&] { Ledger::accept_restored(path); }), ErrorKind::kInvalidArgument);
  copy("older");
  Ledger::open(path).charge_steps(run, 900);
  const std::string lost = Ledger::open(path).head();
  put_back("older");
  const std::string counted = read_file(counter());
  {
    Ledger ledger = Ledger::accept_restored(path);
    const Entry entry = ledger.history().back();
    EXPECT_EQ(entry.kind, "restored");
    EXPECT_EQ(Json::parse(entry.body), Json({{"entries", 7}, {"head", lost}}));
    const DatasetRecord record = ledger.dataset(people);
    EXPECT_TRUE(record.charges_lost);
    // The run may have gone on, so it has ended and counts in full, by itself and under a cap.
    EXPECT_EQ(record.runs[0].status, "given-up");
    EXPECT_EQ(record.runs[0].counted_epsilon(), 1);
    const std::vector<double> orders = record.caps[0].filter.orders();
    const Event plan = Event::from_json(record.runs[0].training_event);
    EXPECT_DOUBLE_EQ(cost_at(record.runs[0], orders).divergence[0],
                     renyi_cost(plan, kAdd, orders).divergence[0]);
    EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 1); }), ErrorKind::kInvalidArgument);
    EXPECT_EQ(kind_of([&] { ledger.give_up(run); }), ErrorKind::kInvalidArgument);
    // The cap admits nothing, however little.
    EXPECT_EQ(largest_further_run(record, 1e-6), 0);
    EXPECT_EQ(together(record), std::nullopt);
    EXPECT_EQ(kind_of([&] {
                ledger.reserve({people, 1e-3, 1e-7, kAdd, "row", ""});
              }),
              ErrorKind::kBudgetExhausted);
  }
  EXPECT_EQ(opening(), std::nullopt);
  write_file(counter(), counted);  // died before the counter moved
  EXPECT_EQ(opening(), std::nullopt);
  EXPECT_NE(read_file(counter()), counted);
  // Set anew it holds for what is known, and says so.
  Ledger ledger = Ledger::open(path);
  ledger.set_cap(people, 8, 1e-5, kAdd, "row");
  EXPECT_EQ(kind_of([&] { ledger.reserve({people, 1, 1e-6, kAdd, "row", ""}); }), std::nullopt);
  EXPECT_EQ(ledger.dataset(people).to_json().at("charges_lost"), true);
  EXPECT_EQ(kind_of([&] { Ledger::accept_restored(path); }), ErrorKind::kInvalidArgument);
}

// A run that the copy knows only as reserved: whatever it released since is within what it reserved.
TEST_P(CounterTest, ARunWithoutAPlanCountsInFullToo) {
  std::string second;
  {
    Ledger ledger = Ledger::open(path);
    second = ledger.reserve({people, 2, 1e-6, kAdd, "row", "second"});
    copy("older");
    ledger.charge_statistics(second, Event::discrete_gaussian(100));
  }
  put_back("older");
  const Ledger ledger = Ledger::accept_restored(path);
  const RunRecord record = ledger.run(second);
  EXPECT_TRUE(record.anything_charged());
  EXPECT_EQ(record.counted_epsilon(), 2);
  EXPECT_EQ(record.counted_delta(), 1e-6);
  EXPECT_GT(cost_at(record, {10}).divergence[0], 0);
}

// Two users of one ledger, or two machines: each has a counter, and each is asked.
TEST_P(CounterTest, EachUserHasOne) {
  const fs::path mine = ::getenv("XDG_STATE_HOME"), yours = place.folder() / "yours";
  const auto as = [&](const fs::path& who) { ::setenv("XDG_STATE_HOME", who.c_str(), 1); };
  copy("older");
  as(yours);
  Ledger::open(path).charge_steps(run, 1);
  as(mine);
  EXPECT_EQ(opening(), std::nullopt);  // mine sees what you did
  as(yours);
  Ledger::open(path).charge_steps(run, 2);
  put_back("older");
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);
  as(mine);
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);
  Ledger::accept_restored(path);
  as(yours);
  EXPECT_EQ(opening(), ErrorKind::kDataLoss);  // had seen other entries than I
  Ledger::accept_restored(path);
  EXPECT_EQ(opening(), std::nullopt);
  as(mine);
  EXPECT_EQ(opening(), std::nullopt);
}

}  // namespace
}  // namespace discreet
