#include "discreet/train/step_budget.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "discreet/base/error.h"

namespace discreet {
namespace {

class StepBudgetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("discreet_step_budget_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    ledger_.emplace(Ledger::open(folder_ / "ledger.db"));
    DatasetSketch sketch = ledger_->new_sketch();
    sketch.add("a record");
    run_ = ledger_->reserve(
        {ledger_->identify(sketch, "data"), 3.0, 1e-5, Relation::kAddOrRemoveOne, "row", "run"});
    ledger_->set_training(run_, Event::repeated(Event::poisson_sampled(0.01, Event::gaussian(2.0)), kSteps),
                          kSteps, {3.0, 1e-5});
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }
  int64_t charged() const { return ledger_->run(run_).charged_steps; }

  static constexpr int64_t kSteps = 500;
  std::filesystem::path folder_;
  std::optional<Ledger> ledger_;
  std::string run_;
};

TEST_F(StepBudgetTest, EveryStepIsChargedBeforeItsReleaseAndNoneBeyondThePlan) {
  StepBudget budget(*ledger_, run_, kSteps, 0);
  for (int64_t step = 1; step <= kSteps; ++step) {
    budget.before_release(step);
    ASSERT_GE(charged(), step);
    ASSERT_LE(charged(), kSteps);
    ASSERT_EQ(budget.at_block_end(step), charged() == step);
  }
  EXPECT_EQ(charged(), kSteps);
}

TEST_F(StepBudgetTest, AResumedRunGoesOnBehindWhatWasCharged) {
  StepBudget(*ledger_, run_, kSteps, 0).before_release(1);
  const int64_t before = charged();
  StepBudget resumed(*ledger_, run_, kSteps, before);
  resumed.before_release(before + 1);
  EXPECT_EQ(charged(), before + 1);
}

TEST_F(StepBudgetTest, AStepBeyondThePlanIsNeverReleased) {
  StepBudget budget(*ledger_, run_, kSteps, 0);
  for (int64_t step = 1; step <= kSteps; ++step) budget.before_release(step);
  EXPECT_THROW(budget.before_release(kSteps + 1), Error);
  EXPECT_EQ(charged(), kSteps);
}

}  // namespace
}  // namespace discreet
