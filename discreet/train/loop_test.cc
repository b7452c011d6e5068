#include "discreet/train/loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "discreet/base/error.h"
#include "discreet/base/interrupt.h"
#include "discreet/train/optimizer.h"

namespace discreet {
namespace {

namespace fs = std::filesystem;

// Points on two sides of a line. Ctrl-C comes when the last of them is looked at before the first step.
class Points : public Dataset {
 public:
  explicit Points(int64_t rows) {
    torch::manual_seed(5);
    x_ = torch::rand({rows, 3});
    targets_ = (x_.select(1, 0) > 0.5).to(torch::kLong);
  }
  int64_t size() const override { return x_.size(0); }
  torch::Tensor features(torch::Tensor rows) const override {
    if (rows.max().item<int64_t>() == size() - 1) std::raise(SIGINT);
    return x_.index_select(0, rows);
  }

 private:
  torch::Tensor x_;
};

class Loop : public ::testing::Test {
 protected:
  Loop()
      : place_(fs::temp_directory_path() / ("discreet_loop_test_" + std::to_string(getpid()))),
        made_(fs::create_directories(place_)),
        folder_(RunFolder::create(job())),
        ledger_(Ledger::open((place_ / "ledger.db").string())) {
    data_.train = std::make_unique<Points>(200);
    data_.input_shape = {3};
    data_.outputs = 2;
    data_.classes = {"left", "right"};
    training_.architecture = {
        {"input", {3}}, {"layers", {{{"type", "linear"}, {"outputs", 2}}}}, {"outputs", 2}};
    training_.optimizer = "sgd";
    training_.schedule = "constant";
    training_.learning_rate = 0.1;
    training_.max_grad_norm = 0.5;
    training_.plan.sample_size = 200;
    training_.plan.batch_size = 20;
    training_.plan.sample_rate = 0.1;
    training_.plan.noise_multiplier = 2;
    training_.plan.steps = 5;
    training_.plan.shares.training_delta = 1e-5;
    training_.plan.training_epsilon = 3;
    DatasetSketch sketch = ledger_.new_sketch();
    for (int record = 0; record < 200; ++record) sketch.add(std::to_string(record));
    ledger_.reserve({.dataset = ledger_.identify(sketch, "points"),
                     .epsilon = 3,
                     .delta = 1e-5,
                     .unit = "row",
                     .name = "points",
                     .id = folder_.run_id()});
    ledger_.set_training(folder_.run_id(), training_.event(), 5, {3, 1e-5});
  }
  ~Loop() override {
    std::error_code ignored;
    fs::remove_all(place_, ignored);
  }

  TrainJob job() const {
    TrainJob result;
    result.data = "points";
    result.name = "points";
    result.out = place_ / "points.discreet";
    result.seed_for_tests = 3;
    return result;
  }

  // The clip in the checkpoint after one more block of steps, which is the first: one step.
  std::optional<double> clip_after_an_interruption() {
    const InterruptGuard guard;
    try {
      run_loop(folder_, ledger_, data_, training_);
      ADD_FAILURE() << "was not interrupted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInterrupted) << error.what();
    }
    return with_checkpoint([](Counters&) {}).next_clip;
  }

  // Reads the checkpoint, and writes it as `change` leaves it.
  Counters with_checkpoint(const std::function<void(Counters&)>& change) {
    Network network(training_.architecture);
    const auto weights = network.parameters();
    const auto optimizer = make_optimizer("sgd", weights, 0.1, 0);
    TailAverage average(0, 5);
    Counters counters;
    load_checkpoint(*folder_.checkpoint(), weights, *optimizer, average, counters);
    change(counters);
    folder_.store_checkpoint(save_checkpoint(weights, *optimizer, average, counters));
    return counters;
  }

  fs::path place_;
  bool made_;
  RunFolder folder_;
  Ledger ledger_;
  PreparedData data_;
  TrainingPlan training_;
};

// One release moves the clip by a factor of exp(0.2 (share - 1/2)), here within 2: the share is that of some
// 20 units and noise of deviation 2 / 20, and of a fixed seed.
TEST_F(Loop, AdaptiveClippingGoesOnFromTheCheckpointsClip) {
  training_.clipping = ClippingMode::kAdaptive;
  const std::optional<double> first = clip_after_an_interruption();
  ASSERT_TRUE(first);
  EXPECT_NE(*first, 0.5);
  EXPECT_GT(*first, 0.25);
  EXPECT_LT(*first, 1);
  with_checkpoint([](Counters& counters) { counters.next_clip = 1000; });
  const std::optional<double> second = clip_after_an_interruption();
  ASSERT_TRUE(second);
  EXPECT_NE(*second, 1000);
  EXPECT_GT(*second, 500);
  EXPECT_LT(*second, 2000);
}

TEST_F(Loop, ACheckpointWithoutTheClipIsNotGuessedAt) {
  training_.clipping = ClippingMode::kAdaptive;
  clip_after_an_interruption();
  with_checkpoint([](Counters& counters) { counters.next_clip.reset(); });
  const InterruptGuard guard;
  try {
    run_loop(folder_, ledger_, data_, training_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDataLoss) << error.what();
  }
}

TEST_F(Loop, OtherClippingKeepsNoClip) {
  for (const ClippingMode mode : {ClippingMode::kFlat, ClippingMode::kPerLayer, ClippingMode::kNormalised}) {
    training_.clipping = mode;
    EXPECT_FALSE(clip_after_an_interruption());
  }
}

}  // namespace
}  // namespace discreet
