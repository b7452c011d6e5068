#include "discreet/store/ledger.h"

#include <gtest/gtest.h>

#include <numeric>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/store/admission.h"
#include "discreet/store/postgres_testing.h"

namespace discreet {
namespace {

using testing_store::kind_of;
using testing_store::LedgerPlace;
using testing_store::Store;

class LedgerTest : public testing::TestWithParam<Store> {
 protected:
  DatasetSketch sketch(int from, int to) {
    DatasetSketch made = ledger.new_sketch();
    for (int record = from; record < to; ++record) made.add("record " + std::to_string(record));
    return made;
  }
  std::string reserve(double epsilon, double delta = 1e-6) {
    return ledger.reserve({"people", epsilon, delta, Relation::kAddOrRemoveOne, "row", "a run"});
  }
  static Event training(int64_t steps) {
    return Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(1.0)), steps);
  }

  LedgerPlace place{GetParam()};
  std::string path = place.where();
  Ledger ledger = Ledger::open(path);
  std::string people = ledger.identify(sketch(0, 5000), "people");
};

TEST_P(LedgerTest, RecognisesADataSet) {
  EXPECT_EQ(ledger.identify(sketch(0, 5000), "renamed"), people);
  EXPECT_EQ(ledger.identify(sketch(0, 5001), "people"), people);    // a row added
  EXPECT_EQ(ledger.identify(sketch(500, 5000), "people"), people);  // a tenth removed
  EXPECT_EQ(ledger.identify(sketch(3000, 8000), "people"),
            people);  // two fifths shared: unsure counts as same
  EXPECT_NE(ledger.identify(sketch(10000, 15000), "people"), people);
  EXPECT_EQ(ledger.identify(sketch(20000, 25000), "others", {people, false}), people);
  EXPECT_NE(ledger.identify(sketch(0, 5000), "people", {"", true}), people);
  EXPECT_EQ(kind_of([&] { ledger.identify(sketch(0, 5), "x", {"nobody", false}); }), ErrorKind::kNotFound);
  EXPECT_EQ(kind_of([&] { ledger.identify(sketch(0, 0), "x"); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.identify(sketch(0, 5), "a\nb"); }), ErrorKind::kInvalidArgument);
}

// Looking at a data set under another name does not rename it, nor does a run that is refused.
TEST_P(LedgerTest, ARunThatIsReservedRenamesItsDataSet) {
  ledger.set_cap("people", 1, 1e-5, Relation::kAddOrRemoveOne, "row");
  RunRequest request{ledger.identify(sketch(0, 5000), "renamed"),
                     2,
                     1e-6,
                     Relation::kAddOrRemoveOne,
                     "row",
                     "a run",
                     "",
                     "renamed"};
  EXPECT_EQ(kind_of([&] { ledger.reserve(request); }), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(ledger.dataset(people).names, std::vector<std::string>{"people"});
  request.epsilon = 0.5;
  ledger.reserve(request);
  EXPECT_EQ(ledger.dataset("renamed").id, people);
  EXPECT_EQ(ledger.dataset("people").name, "renamed");
  const size_t entries = ledger.history().size();
  ledger.reserve(request);
  EXPECT_EQ(ledger.history().size(), entries + 1);  // named once
}

TEST_P(LedgerTest, RecognisesSmallDataSets) {
  const std::string small = ledger.identify(sketch(90000, 90010), "small");
  EXPECT_EQ(ledger.identify(sketch(90000, 90009), "smaller"), small);
  EXPECT_EQ(ledger.identify(sketch(90000, 90011), "larger"), small);
  EXPECT_NE(ledger.identify(sketch(90020, 90030), "another"), small);
}

TEST_P(LedgerTest, FollowsADataSetThatChangesStepByStep) {
  for (int month = 1; month <= 12; ++month) {
    EXPECT_EQ(ledger.identify(sketch(500 * month, 5000 + 500 * month), "people"), people);
  }
}

TEST_P(LedgerTest, DataOfTwoDataSetsAddsTheirCosts) {
  const std::string others = ledger.identify(sketch(5000, 10000), "others");
  ASSERT_NE(others, people);
  ledger.set_cap("others", 5, 1e-5, Relation::kAddOrRemoveOne, "row");
  const std::string first = reserve(3);
  const std::string second = ledger.reserve({others, 2, 1e-6, Relation::kAddOrRemoveOne, "row", "b"});
  ASSERT_GT(largest_further_run(ledger.dataset(others), 1e-6), 3);
  EXPECT_EQ(ledger.identify(sketch(0, 10000), "both"), people);
  const DatasetRecord merged = ledger.dataset(others);
  EXPECT_EQ(merged.id, people);
  EXPECT_EQ(merged.runs.size(), 2u);
  EXPECT_EQ(merged.spent()->epsilon, 5);
  EXPECT_EQ(merged.cap()->epsilon, 5);
  EXPECT_EQ(kind_of([&] { reserve(3); }), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(ledger.datasets().size(), 1u);
  EXPECT_EQ(ledger.run(second).dataset, others);
}

TEST_P(LedgerTest, ACapSetBeforehandIsTakenOver) {
  ledger.set_cap("later", 1, 1e-5, Relation::kAddOrRemoveOne, "row");
  const std::string id = ledger.identify(sketch(50000, 50100), "later");
  EXPECT_EQ(ledger.dataset("later").id, id);
  EXPECT_EQ(kind_of([&] {
              ledger.reserve({id, 2, 1e-6, Relation::kAddOrRemoveOne, "row", ""});
            }),
            ErrorKind::kBudgetExhausted);
  // Also where the records turn out to be known under another label.
  ledger.set_cap("alias", 1, 1e-5, Relation::kAddOrRemoveOne, "row");
  EXPECT_EQ(ledger.identify(sketch(0, 5000), "alias"), people);
  EXPECT_EQ(kind_of([&] { reserve(2); }), ErrorKind::kBudgetExhausted);
}

TEST_P(LedgerTest, ACapNamesRelationAndUnit) {
  ledger.set_cap("people", 3, 1e-5, Relation::kAddOrRemoveOne, "row");
  EXPECT_EQ(kind_of([&] {
              ledger.reserve({people, 1, 1e-6, Relation::kReplaceOne, "row", ""});
            }),
            ErrorKind::kUnsupported);
  EXPECT_EQ(kind_of([&] {
              ledger.reserve({people, 1, 1e-6, Relation::kAddOrRemoveOne, "column id", ""});
            }),
            ErrorKind::kUnsupported);
  reserve(1);
  EXPECT_EQ(kind_of([&] { ledger.set_cap("people", 3, 1e-5, Relation::kZeroOut, "row"); }),
            ErrorKind::kUnsupported);
}

TEST_P(LedgerTest, RunsOfDifferentRelationsAreNotAdded) {
  reserve(1);
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 1);
  ledger.reserve({people, 1, 1e-6, Relation::kReplaceOne, "row", ""});
  EXPECT_FALSE(ledger.dataset("people").spent().has_value());
}

TEST_P(LedgerTest, AReservationCountsUntilSettledOrGivenUpUncharged) {
  const std::string unused = reserve(3);
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 3);
  ledger.give_up(unused);
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 0);
  const std::string settled = reserve(2);
  ledger.set_training(settled, training(10), 10, {2, 1e-6});
  ledger.charge_steps(settled, 10);
  EXPECT_EQ(kind_of([&] { ledger.settle(settled, 2.1, 1e-6, "c"); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.settle(settled, 1.5, 2e-6, "c"); }), ErrorKind::kInvalidArgument);
  ledger.settle(settled, 1.5, 1e-6, "c");
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 1.5);
  const std::string charged = reserve(1.5);
  ledger.charge_statistics(charged, Event::discrete_gaussian(10));
  ledger.set_training(charged, training(1), 1, {0.7, 5e-7});
  ledger.give_up(charged);
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 3);
  EXPECT_EQ(ledger.run(charged).status, "given-up");
}

// All attempts together: what is counted is a true bound on what was released, and no
// share that is noticeably smaller is one.
TEST_P(LedgerTest, ARunGivenUpBeforeItsPlanCountsItsStatistics) {
  const Event event = Event::composed({Event::discrete_gaussian(60), Event::epsilon_delta(0, 2e-9)});
  std::vector<double> counted;
  for (const int attempts : {1, 3}) {
    const std::string run = reserve(3);
    for (int i = 0; i < attempts; ++i) ledger.charge_statistics(run, event);
    ledger.give_up(run);
    const RunRecord record = Ledger::open(path).run(run);
    const double share = record.counted_epsilon() / 3;
    EXPECT_NEAR(record.counted_delta(), share * record.delta, 1e-12 * record.delta);
    const Event all = Event::repeated(event, attempts);
    EXPECT_LE(rdp_epsilon(all, record.relation, record.counted_delta()), record.counted_epsilon());
    EXPECT_GT(rdp_epsilon(all, record.relation, 0.999 * record.counted_delta()),
              0.999 * record.counted_epsilon());
    counted.push_back(share);
  }
  EXPECT_GT(counted[0], 0.01);
  EXPECT_LT(counted[0], 0.1);
  EXPECT_GT(counted[1], 1.2 * counted[0]);
  EXPECT_EQ(ledger.dataset("people").spent()->epsilon, 3 * counted[0] + 3 * counted[1]);
}

TEST_P(LedgerTest, StepsAreChargedOnceAndWithinThePlan) {
  const std::string run = reserve(3);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 1); }), ErrorKind::kInvalidArgument);  // no plan yet
  const BudgetShare all{3, 1e-6};
  EXPECT_EQ(kind_of([&] { ledger.set_training(run, training(10), 0, all); }), ErrorKind::kInvalidArgument);
  ledger.set_training(run, training(10), 10, all);
  EXPECT_EQ(kind_of([&] { ledger.set_training(run, training(10), 10, all); }), ErrorKind::kInvalidArgument);
  ledger.charge_steps(run, 1);
  ledger.charge_steps(run, 5);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 5); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 4); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 11); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(ledger.run(run).charged_steps, 5);
  ledger.charge_steps(run, 10);
  ledger.settle(run, 2, 1e-6, "c");
  EXPECT_EQ(kind_of([&] { ledger.charge_steps(run, 11); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.give_up(run); }), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] { ledger.run("r1"); }), ErrorKind::kNotFound);
  const std::string idle = reserve(1);
  EXPECT_EQ(kind_of([&] { ledger.settle(idle, 1, 1e-6, "c"); }), ErrorKind::kInvalidArgument);
}

TEST_P(LedgerTest, LostStatisticsAreChargedAgainWithinTheReservation) {
  const std::string run = reserve(1);
  const Event event = Event::discrete_gaussian(7);
  ASSERT_LT(rdp_epsilon(Event::repeated(event, 2), Relation::kAddOrRemoveOne, 1e-6), 1);
  ASSERT_GT(rdp_epsilon(Event::repeated(event, 3), Relation::kAddOrRemoveOne, 1e-6), 1);
  ledger.charge_statistics(run, event);
  EXPECT_EQ(kind_of([&] { ledger.charge_statistics(run, Event::discrete_gaussian(9)); }),
            ErrorKind::kInvalidArgument);
  ledger.charge_statistics(run, event);
  EXPECT_EQ(kind_of([&] { ledger.charge_statistics(run, event); }), ErrorKind::kBudgetExhausted);
  EXPECT_EQ(ledger.run(run).statistics_attempts, 2);
  // The statistics ate the training's share: what would fit alone no longer does, whatever share it claims.
  const Event plan = Event::repeated(Event::gaussian(7), 2);
  ASSERT_LT(rdp_epsilon(plan, Relation::kAddOrRemoveOne, 1e-6), 1);
  for (const BudgetShare& share : {BudgetShare{1, 1e-6}, {0.5, 5e-7}, {0.1, 1e-7}}) {
    EXPECT_EQ(kind_of([&] { ledger.set_training(run, plan, 2, share); }), ErrorKind::kBudgetExhausted);
  }
  const Event small = Event::repeated(Event::poisson_sampled(0.001, Event::gaussian(4)), 10);
  const double statistics = rdp_epsilon(Event::repeated(event, 2), Relation::kAddOrRemoveOne, 9e-7);
  ASSERT_LT(statistics, 0.95);
  EXPECT_EQ(kind_of([&] {
              ledger.set_training(run, small, 10, {1.001 - statistics, 1e-7});
            }),
            ErrorKind::kBudgetExhausted);
  ledger.set_training(run, small, 10, {0.999 - statistics, 1e-7});
  EXPECT_EQ(kind_of([&] { ledger.charge_statistics(run, event); }), ErrorKind::kInvalidArgument);
}

// By its privacy loss a plan costs less than by its Renyi divergence; either will do, and nothing else.
TEST_P(LedgerTest, TrainingIsCoveredByItsPrivacyLoss) {
  const Event plan = Event::repeated(Event::poisson_sampled(0.02, Event::gaussian(0.9)), 500);
  const double epsilon = pld_epsilon(plan, Relation::kAddOrRemoveOne, 1e-6).upper;
  ASSERT_GT(rdp_epsilon(plan, Relation::kAddOrRemoveOne, 1e-6), 1.03 * epsilon);
  const std::string run = reserve(epsilon);
  for (const BudgetShare& share : {BudgetShare{0.999 * epsilon, 1e-6},
                                   {epsilon, 0.99e-6},
                                   {1.001 * epsilon, 1e-6},
                                   {epsilon, 1.01e-6}}) {
    EXPECT_EQ(kind_of([&] { ledger.set_training(run, plan, 500, share); }), ErrorKind::kBudgetExhausted)
        << share.epsilon << " " << share.delta;
  }
  ledger.set_training(run, plan, 500, {epsilon, 1e-6});
  // Where there is no privacy-loss distribution the divergence decides.
  const std::string discrete = reserve(1);
  EXPECT_EQ(kind_of([&] {
              ledger.set_training(discrete, Event::repeated(Event::discrete_gaussian(3), 1), 1, {1, 1e-6});
            }),
            ErrorKind::kBudgetExhausted);
  ledger.set_training(discrete, Event::repeated(Event::discrete_gaussian(6), 1), 1, {1, 1e-6});
}

TEST_P(LedgerTest, EverythingIsThereAgainAfterOpening) {
  const std::string run = reserve(3);
  ledger.charge_statistics(run, Event::discrete_gaussian(20));
  ledger.set_training(run, training(7), 7, {2.5, 9e-7});
  ledger.charge_steps(run, 3);
  const std::string head = ledger.head();
  const Ledger again = Ledger::open(path);
  const RunRecord record = again.run(run);
  EXPECT_EQ(record.epsilon, 3);
  EXPECT_EQ(record.delta, 1e-6);
  EXPECT_EQ(record.name, "a run");
  EXPECT_EQ(record.statistics_attempts, 1);
  EXPECT_EQ(record.statistics_event, Event::discrete_gaussian(20).to_json());
  EXPECT_EQ(record.training_event, training(7).to_json());
  EXPECT_EQ(record.planned_steps, 7);
  EXPECT_EQ(record.charged_steps, 3);
  EXPECT_EQ(again.head(), head);
  EXPECT_EQ(again.history().back().kind, "steps");
  EXPECT_EQ(again.history().back().hash, head);
}

TEST_P(LedgerTest, AmountsOutsideTheAllowedRangeAreRefused) {
  for (double epsilon : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_EQ(kind_of([&] { reserve(epsilon); }), ErrorKind::kInvalidArgument) << epsilon;
    EXPECT_EQ(kind_of([&] { ledger.set_cap("people", epsilon, 1e-5, Relation::kAddOrRemoveOne, "row"); }),
              ErrorKind::kInvalidArgument);
  }
  for (double delta : {-1e-9, 1.0, std::nan("")}) {
    EXPECT_EQ(kind_of([&] { reserve(1, delta); }), ErrorKind::kInvalidArgument) << delta;
  }
  EXPECT_EQ(kind_of([&] {
              ledger.reserve({"people", 1, 1e-6, Relation::kAddOrRemoveOne, "", ""});
            }),
            ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind_of([&] {
              ledger.reserve({"peple", 1, 1e-6, Relation::kAddOrRemoveOne, "row", ""});
            }),
            ErrorKind::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Stores, LedgerTest, testing::Values(Store::kSqlite, Store::kPostgres),
                         testing_store::store_name);

}  // namespace
}  // namespace discreet
