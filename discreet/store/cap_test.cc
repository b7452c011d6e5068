// Caps: what they admit, what runs count, what holds when caps change.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>

#include "discreet/accounting/pld.h"
#include "discreet/base/file.h"
#include "discreet/store/admission.h"
#include "discreet/store/ledger.h"
#include "discreet/store/testing.h"

namespace discreet {
namespace {

using testing_store::kind_of;
using testing_store::TemporaryFolder;

constexpr Relation kAdd = Relation::kAddOrRemoveOne;

// The Gaussian that is exactly (epsilon, delta)-private (Balle and Wang 2018, Theorem 8).
double exact_noise(double epsilon, double delta) {
  const auto normal = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.)); };
  double low = 1e-2, high = 1e4;
  for (int round = 0; round < 100; ++round) {
    const double s = std::sqrt(low * high);
    const double at = normal(0.5 / s - epsilon * s) - std::exp(epsilon) * normal(-0.5 / s - epsilon * s);
    (at <= delta ? high : low) = s;
  }
  return high;
}

class CapTest : public testing::Test {
 protected:
  std::string identify(const std::string& name) {
    DatasetSketch sketch = ledger.new_sketch();
    for (int record = 0; record < 100; ++record) sketch.add(name + std::to_string(record));
    return ledger.identify(sketch, name);
  }
  void cap(double epsilon, double delta = 1e-5) { ledger.set_cap("people", epsilon, delta, kAdd, "row"); }
  std::string reserve(double epsilon, double delta = 1e-6) {
    return ledger.reserve({"people", epsilon, delta, kAdd, "row", "a run"});
  }
  std::optional<ErrorKind> refusal(double epsilon, double delta = 1e-6) {
    return kind_of([&] { reserve(epsilon, delta); });
  }
  DatasetRecord record() { return ledger.dataset("people"); }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "ledger.db";
  Ledger ledger = Ledger::open(path);
  std::string people = identify("people");
};

// A hundred Gaussians a run, until nothing fits. Beside it, from the cap's own entry and by the formulas
// alone: some order's sum converts to (epsilon, its share of delta) always, and would not with one run more.
TEST_F(CapTest, AdmitsWhileOneOrderHasRoom) {
  cap(3);
  const Json filter = Json::parse(ledger.history().back().body).at("filter");
  const auto holds = [&](double slope) {  // divergence over order
    bool any = false;
    for (size_t i = 0; i < filter.at("orders").size(); ++i) {
      const double a = filter.at("orders")[i], share = filter.at("deltas")[i];
      any |= std::exp((a - 1) * (slope * a - 3) + a * std::log1p(-1 / a)) / (a - 1) <= share;
    }
    return any;
  };
  const double noise = 10.00001 * exact_noise(0.5, 1e-6), step = 1 / (2 * noise * noise);
  const Event plan = Event::repeated(Event::gaussian(noise), 100);
  int runs = 0;
  std::string run;
  while (kind_of([&] { run = reserve(0.5); }) == std::nullopt) {
    ledger.set_training(run, plan, 100, {0.5, 1e-6});
    ledger.charge_steps(run, 100);
    ledger.settle(run, 0.5, 1e-6, "c");
    ++runs;
    ASSERT_TRUE(holds(100 * step * runs)) << runs;
    ASSERT_LT(runs, 1000);
  }
  EXPECT_FALSE(
      holds(100 * step * (runs + 1.11)));  // a tenth is kept for plans that cost more than a Gaussian
  EXPECT_GT(0.5 * runs, 1.5 * 3);          // added up, epsilons would have ended at the cap
  EXPECT_LT(largest_further_run(record(), 1e-6), 0.5);
  EXPECT_GT(used_share(record()), 0.9);
  EXPECT_EQ(refusal(1e-3), std::nullopt);
}

// A plan by privacy loss is (3, 1e-5)-private and would not fit a filter of (3, 1e-5).
TEST_F(CapTest, AFirstRunThatOnlyItsCertificateAdmitsHasTheCapToItself) {
  const Event step = Event::poisson_sampled(0.02, Event::gaussian(0.9));
  const double epsilon = pld_epsilon(Event::repeated(step, 500), kAdd, 1e-5).upper;
  cap(epsilon);
  const PrivacyFilter filter(epsilon, 1e-5);
  ASSERT_FALSE(filter.fits(renyi_cost(Event::repeated(step, 500), kAdd, filter.orders())));
  EXPECT_EQ(refusal(1.01 * epsilon, 1e-5), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(refusal(epsilon, 1.01e-5), ErrorKind::kBudgetExhausted);

  const std::string unused = reserve(epsilon, 1e-5);
  EXPECT_TRUE(ledger.run(unused).closes_cap);
  EXPECT_EQ(refusal(0.01), ErrorKind::kBudgetExhausted);
  ledger.give_up(unused);  // nothing was charged
  EXPECT_EQ(largest_further_run(record(), 1e-5), epsilon);

  const std::string run = reserve(epsilon, 1e-5);
  ledger.set_training(run, Event::repeated(step, 500), 500, {epsilon, 1e-5});
  ledger.charge_steps(run, 1);
  EXPECT_EQ(refusal(0.01), ErrorKind::kBudgetExhausted);
  ledger.give_up(run);  // when it stopped may be its result
  EXPECT_EQ(refusal(0.01), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(largest_further_run(record(), 1e-5), 0);
  EXPECT_EQ(used_share(record()), 1);
  // A higher cap is another filter, which counts the one step.
  cap(2 * epsilon);
  EXPECT_TRUE(record().cap_raised_after_runs);
  EXPECT_LT(used_share(record()), 0.5);
  EXPECT_EQ(refusal(0.01), std::nullopt);
}

TEST_F(CapTest, OnlyTheFirstRunIsAdmittedByItsCertificate) {
  cap(3);
  reserve(0.1);
  EXPECT_EQ(refusal(3, 1e-5), ErrorKind::kBudgetExhausted);
  EXPECT_FALSE(ledger.run(reserve(1)).closes_cap);
}

// What a run has charged counts, not what it planned; while it goes on, what it planned.
TEST_F(CapTest, ARunThatStopsEarlyGivesTheRestBack) {
  const Event step = Event::poisson_sampled(0.02, Event::gaussian(1.2));
  const auto with = [&](const std::function<void(const std::string&)>& end) {
    const std::string run = reserve(5);
    ledger.charge_statistics(run, Event::discrete_gaussian(20));
    ledger.set_training(run, Event::repeated(step, 1000), 1000, {4, 9e-7});
    ledger.charge_steps(run, 10);
    const double during = used_share(record());
    end(run);
    return std::pair(during, used_share(record()));
  };
  cap(8);
  const auto settled = with([&](const std::string& run) { ledger.settle(run, 5, 1e-6, "c"); });
  const auto given_up = with([&](const std::string& run) { ledger.give_up(run); });
  EXPECT_GT(settled.first, 0.1);
  EXPECT_LT(settled.second, 0.1 * settled.first);
  EXPECT_DOUBLE_EQ(given_up.second, 2 * settled.second);
  // Exactly the statistics and the ten steps of each.
  const Cap filter = record().caps[0];
  RenyiCost cost = renyi_cost(Event::composed({Event::discrete_gaussian(20), Event::repeated(step, 10)}),
                              kAdd, filter.filter.orders());
  cost.add(cost);
  EXPECT_DOUBLE_EQ(used_share(record()), filter.filter.used(cost));
}

// Until a run has a plan it holds room for one, so that two runs at one moment cannot both count on it.
TEST_F(CapTest, AReservationHoldsRoomForItsPlan) {
  cap(8);
  const std::string first = reserve(5);
  const double used = used_share(record());
  EXPECT_EQ(refusal(6), ErrorKind::kBudgetExhausted);
  ledger.charge_statistics(first, Event::discrete_gaussian(20));
  EXPECT_GT(used_share(record()), 0.5 * used);
  EXPECT_LE(used_share(record()), used);
  ledger.set_training(first, Event::repeated(Event::gaussian(50), 1), 1, {4, 9e-7});
  EXPECT_LT(used_share(record()), 0.1 * used);
  EXPECT_EQ(refusal(6), std::nullopt);
}

// A plan of few, lightly sampled steps can have far more divergence than a Gaussian of its (epsilon, delta).
TEST_F(CapTest, APlanThatPassesTheCapIsRefusedBeforeItStarts) {
  const Event plan = Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(1)), 100);
  const double epsilon = pld_epsilon(plan, kAdd, 1e-6).upper;
  cap(1.3 * epsilon, 1e-6);
  const std::string run = reserve(epsilon);
  ASSERT_FALSE(ledger.run(run).closes_cap);
  EXPECT_EQ(kind_of([&] {
              ledger.set_training(run, plan, 100, {epsilon, 1e-6});
            }),
            ErrorKind::kBudgetExhausted);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 1); }), ErrorKind::kInvalidArgument);
  ledger.set_training(run, Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(2)), 100), 100,
                      {epsilon, 1e-6});
}

// The same plan with as much more noise as the cap asks for. The least such noise by a slow search beside it.
TEST_F(CapTest, APlanTakesTheNoiseThatTheCapHasRoomFor) {
  const auto plan_at = [](double noise) {
    return Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(noise)), 100);
  };
  const double epsilon = pld_epsilon(plan_at(1), kAdd, 9e-7).upper / 0.9;
  cap(1.3 * epsilon, 1e-6);
  const std::string run = reserve(epsilon);
  ASSERT_FALSE(ledger.run(run).closes_cap);
  const Event statistics = Event::discrete_gaussian(60);
  ledger.charge_statistics(run, statistics);
  const Cap held = record().caps[0];
  const auto fits = [&](double noise) {
    return held.filter.fits(
        renyi_cost(Event::composed({statistics, plan_at(noise)}), kAdd, held.filter.orders()));
  };
  ASSERT_FALSE(fits(1));
  const double taken = ledger.set_training(run, plan_at, 1, 100, {0.9 * epsilon, 9e-7});
  EXPECT_TRUE(fits(taken));
  EXPECT_FALSE(fits(taken / 1.002));
  EXPECT_EQ(Event::from_json(ledger.run(run).training_event), plan_at(taken));
  EXPECT_LE(used_share(record()), 1);
}

// A run that was admitted always finds its noise, however small its reservation and whatever others took
// since.
TEST_F(CapTest, NoRunIsRefusedAfterItsStatistics) {
  int raised = 0;
  for (const auto& [rate, steps] :
       std::vector<std::pair<double, int64_t>>{{0.001, 10}, {0.01, 100}, {0.5, 3}}) {
    const auto plan_at = [&, q = rate, n = steps](double noise) {
      return Event::repeated(Event::poisson_sampled(q, Event::gaussian(noise)), n);
    };
    cap(3, 1e-6);
    std::vector<std::string> runs;
    for (std::string run; kind_of([&] { run = reserve(0.8); }) == std::nullopt;) runs.push_back(run);
    ASSERT_GE(runs.size(), 2u);
    for (const std::string& run : runs) {
      ledger.charge_statistics(run, Event::discrete_gaussian(100));
      double enough = 0.3;  // about the noise that the plan's own share lets it take
      while (pld_epsilon(plan_at(enough), kAdd, 9e-7).upper > 0.7) enough *= 1.1;
      const double taken = ledger.set_training(run, plan_at, enough, steps, {0.7, 9e-7});
      EXPECT_GE(taken, enough);
      raised += taken > enough;
      EXPECT_LE(used_share(record()), 1);
    }
    for (const std::string& run : runs) ledger.give_up(run);
    cap(1000, 1e-3);
  }
  EXPECT_GT(raised, 0);
}

// Where the cap was lowered since, there may be no room at all.
TEST_F(CapTest, ACapThatWasLoweredSinceMayLeaveNoRoom) {
  cap(8);
  const std::string run = reserve(5), other = reserve(0.1);
  cap(1);
  const auto plan_at = [](double noise) { return Event::repeated(Event::gaussian(noise), 1); };
  EXPECT_GT(ledger.set_training(run, plan_at, exact_noise(5, 1e-6), 1, {5, 1e-6}), exact_noise(1, 1e-5));
  ledger.charge_steps(run, 1);
  ledger.give_up(run);
  cap(0.1);
  EXPECT_EQ(kind_of([&] {
              ledger.set_training(other, plan_at, exact_noise(0.1, 1e-6), 1, {0.1, 1e-6});
            }),
            ErrorKind::kBudgetExhausted);
  // Nor does the search go on beyond the noise that an event may have.
  EXPECT_EQ(kind_of([&] {
              ledger.set_training(other, plan_at, 5000, 1, {0.1, 1e-6});
            }),
            ErrorKind::kBudgetExhausted);
}

// Plans that are calibrated by privacy loss, under the least cap that lets their run start: the room that was
// held is enough.
TEST_F(CapTest, ThereIsRoomForUsualPlans) {
  for (const auto& [rate, noise, steps] : std::vector<std::tuple<double, double, int64_t>>{
           {0.004, 1, 6000}, {0.02, 1.5, 500}, {0.034, 2, 300}, {0.1, 3, 100}, {0.2, 6, 60}, {0.5, 10, 60}}) {
    const Event plan = Event::repeated(Event::poisson_sampled(rate, Event::gaussian(noise)), steps);
    DatasetRecord dataset;
    RunRecord& run = dataset.runs.emplace_back();
    run.status = "reserved";
    run.delta = 1e-5;
    run.epsilon = pld_epsilon(plan, kAdd, run.delta).upper;
    double low = run.epsilon, high = 10 * run.epsilon;
    const auto set_cap = [&](double epsilon) {
      dataset.caps.assign(1, {epsilon, 1e-5, kAdd, "row", PrivacyFilter(epsilon, 1e-5), 0});
      return admission(dataset) == Admission::kByFilter;
    };
    while (high > 1.0001 * low) {
      const double middle = (low + high) / 2;
      (set_cap(middle) ? high : low) = middle;
    }
    ASSERT_TRUE(set_cap(high));
    EXPECT_LT(high, 1.3 * run.epsilon);
    run.training_event = plan.to_json();
    run.planned_steps = steps;
    EXPECT_TRUE(within_caps(dataset, run)) << rate << " " << noise << " " << steps;
  }
}

// Selected values cost a delta each time, for which a quarter of the cap's is set aside.
TEST_F(CapTest, StatisticsThatPassTheCapAreRefused) {
  cap(8, 1e-6);
  const Event event = Event::composed({Event::discrete_gaussian(100), Event::epsilon_delta(0, 1e-7)});
  for (int i = 0; i < 2; ++i) ledger.charge_statistics(reserve(0.5), event);
  const std::string run = reserve(0.5);
  EXPECT_EQ(kind_of([&] { ledger.charge_statistics(run, event); }), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(ledger.run(run).statistics_attempts, 0);
}

TEST_F(CapTest, ACapThatIsLoweredAfterRunsHoldsBesideTheEarlierOne) {
  cap(3);
  cap(8);  // before any run: the earlier one is gone
  reserve(1);
  EXPECT_FALSE(record().cap_raised_after_runs);
  EXPECT_FALSE(record().cap_set_after_runs);
  cap(4);
  cap(4);
  EXPECT_EQ(record().caps.size(), 2u);
  EXPECT_FALSE(record().cap_raised_after_runs);
  EXPECT_EQ(record().cap()->epsilon, 4);
  EXPECT_EQ(refusal(3.9), ErrorKind::kBudgetExhausted);
  cap(4.5);
  EXPECT_TRUE(record().cap_raised_after_runs);
  EXPECT_EQ(record().caps.size(), 1u);
  cap(0.5);
  EXPECT_GT(used_share(record()), 1);
  EXPECT_EQ(refusal(1e-3), ErrorKind::kBudgetExhausted);
}

TEST_F(CapTest, ACapAfterRunsIsSaid) {
  reserve(1);
  cap(8);
  EXPECT_TRUE(record().cap_set_after_runs);
  EXPECT_GT(used_share(record()), 0);
}

// Of two data sets that turn out to be one, whichever has it.
TEST_F(CapTest, BothCapsHoldAfterAMerge) {
  for (const bool older_has_less_epsilon : {true, false}) {
    const std::string prefix = older_has_less_epsilon ? "a" : "b";
    const std::string older = identify(prefix + "1"), newer = identify(prefix + "2");
    const std::string &less_epsilon = older_has_less_epsilon ? older : newer,
                      &less_delta = older_has_less_epsilon ? newer : older;
    ledger.set_cap(less_epsilon, 3, 2e-5, kAdd, "row");
    ledger.set_cap(less_delta, 8, 1e-5, kAdd, "row");
    DatasetSketch both = ledger.new_sketch();
    for (int i = 0; i < 100; ++i)
      both.add(prefix + "1" + std::to_string(i)), both.add(prefix + "2" + std::to_string(i));
    ASSERT_EQ(ledger.identify(both, "both"), older);
    const DatasetRecord merged = ledger.dataset(newer);
    EXPECT_EQ(merged.caps.size(), 2u);
    EXPECT_EQ(merged.cap()->epsilon, 3);
    EXPECT_EQ(merged.cap()->delta, 1e-5);
    const auto request = [&](double epsilon, double delta) {
      return kind_of([&] { ledger.reserve({newer, epsilon, delta, kAdd, "row", ""}); });
    };
    EXPECT_EQ(request(3.1, 1e-6), ErrorKind::kBudgetExhausted);
    EXPECT_EQ(request(1, 1.1e-5), ErrorKind::kBudgetExhausted);
    EXPECT_EQ(request(3, 1e-5), std::nullopt);
  }
}

// Without a cap: the lowest of the filters 1, 2, 4, ... that holds everything, each with an eighth of 1e-5.
TEST_F(CapTest, WithoutACapTheTotalIsOnALadder) {
  EXPECT_EQ(together(record()), std::nullopt);
  const auto after = [&](double noise) {
    const std::string run = reserve(100, 1e-3);
    ledger.set_training(run, Event::repeated(Event::gaussian(noise), 1), 1, {100, 1e-3});
    ledger.charge_steps(run, 1);
    ledger.settle(run, 100, 1e-3, "c");
    return together(record());
  };
  EXPECT_EQ(after(1.3 * exact_noise(1, 1e-5 / 8)), 1);
  EXPECT_EQ(after(exact_noise(1, 1e-5 / 8)), 2);
  EXPECT_EQ(after(exact_noise(3, 1e-5 / 8)), 4);
  EXPECT_EQ(after(exact_noise(100, 1e-5 / 8)), 128);
  EXPECT_EQ(after(exact_noise(100, 1e-5 / 8)), std::nullopt);
}

// As version 0.1.0 wrote it: no filter, no shares, a cap that counts all the same.
TEST_F(CapTest, ALedgerOfTheFirstFormatOpens) {
  cap(8);
  const std::string run = reserve(3);
  ledger.set_training(run, Event::repeated(Event::gaussian(10), 4), 4, {3, 1e-6});
  ledger.charge_steps(run, 4);
  const double used = used_share(record());
  std::vector<Entry> entries = ledger.history();
  { const Ledger closed = std::move(ledger); }
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  std::string previous;
  for (Entry& entry : entries) {
    if (entry.kind == "sketch") {
      entry.body = "sealed";
    } else if (!entry.body.empty()) {
      Json body = Json::parse(entry.body);
      for (const char* key : {"filter", "set_after_runs", "closes_cap"}) body.erase(key);
      if (entry.kind == "training") body.erase("epsilon"), body.erase("delta");
      entry.body = body.dump();
    }
    entry.hash = previous = chain_hash(entry, previous);
    sqlite3_stmt* update = nullptr;
    sqlite3_prepare_v2(handle, "UPDATE entries SET body = CAST(? AS BLOB), hash = ? WHERE number = ?", -1,
                       &update, nullptr);
    sqlite3_bind_text(update, 1, entry.body.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(update, 2, entry.hash.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(update, 3, entry.number);
    EXPECT_EQ(sqlite3_step(update), SQLITE_DONE);
    sqlite3_finalize(update);
  }
  sqlite3_close(handle);
  EXPECT_EQ(kind_of([&] { Ledger::open(path); }), ErrorKind::kDataLoss);  // it is not the one that was here
  std::filesystem::remove_all(folder.path() / "state");
  ledger = Ledger::open(path);
  EXPECT_EQ(ledger.head(), previous);
  EXPECT_DOUBLE_EQ(used_share(record()), used);
  EXPECT_FALSE(record().runs[0].closes_cap);
  EXPECT_EQ(refusal(7.9), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(refusal(1), std::nullopt);
}

}  // namespace
}  // namespace discreet
