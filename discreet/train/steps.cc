#include "discreet/train/steps.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/train/engine_options.h"
#include "discreet/train/objective.h"
#include "discreet/train/optimizer.h"

namespace discreet {
namespace {

// Rows in memory at once: large enough for fast products, small enough for little memory.
int64_t piece_rows(const Architecture& architecture) {
  int64_t values = 1;
  for (const int64_t side : architecture.features) values *= side;
  return std::clamp<int64_t>((int64_t{1} << 22) / std::max<int64_t>(values, 1), 64, 1024);
}

// Looks on a few records for what would break the guarantee (PrivacyEngine::check), before the first release.
void check_first_rows(PrivacyEngine& engine, Network& network, const Dataset& records,
                      const Objective& objective) {
  const int64_t rows = std::min<int64_t>(records.size(), 8);
  if (rows < 2) return;
  const torch::Tensor numbers = torch::arange(rows);
  engine.check(
      [&](torch::Tensor x) { return network.forward(x); },
      [&](torch::Tensor output, torch::Tensor target) { return objective.summed_loss(output, target); },
      records.features(numbers), records.targets().index_select(0, numbers));
}

std::shared_ptr<Network> new_network(const TrainJob& job, const TrainingPlan& training) {
  if (job.seed_for_tests) torch::manual_seed(*job.seed_for_tests);
  auto network = std::make_shared<Network>(training.architecture);
  network->train();
  return network;
}

}  // namespace

Steps::Steps(const RunFolder& folder, const PreparedData& data, const TrainingPlan& training, int64_t charged,
             std::function<void(int64_t)> charge, std::shared_ptr<Processes> processes)
    : training_(training),
      processes_(std::move(processes)),
      network_(new_network(folder.job(), training)),
      weights_(network_->parameters()),
      optimizer_(make_optimizer(training.optimizer, weights_, training.learning_rate, training.momentum)),
      average_(training.averaging, *training.plan.steps),
      schedule_(find_schedule(training.schedule)),
      objective_(objective_of(data)) {
  restore(folder, charged);
  records_ = std::make_unique<FeatureCache>(*data.train, *network_, "features", resume_advice(folder.job()));
  const TrainJob& job = folder.job();
  PrivacyOptions options = engine_options(training, job.relation);
  options.max_grad_norm = counters_.next_clip.value_or(training.max_grad_norm);
  options.steps_before = counters_.position;
  options.charge = std::move(charge);
  options.processes = processes_;
  options.placement = Placement::kWholeOnEach;
  // A resumed run never repeats a draw or its noise: the kernel's randomness is fresh, and a test seed is
  // mixed with the number of charges.
  if (job.seed_for_tests)
    options.seed_for_tests = *job.seed_for_tests * 1000003 + static_cast<uint64_t>(charged);
  engine_ = std::make_unique<PrivacyEngine>(network_, options);
  engine_->attach(*optimizer_);
  const int64_t processes_rows =
      piece_rows(network_->architecture()) * (processes_ ? processes_->size() : int64_t{1});
  pieces_ = 1 + options.batch_size / processes_rows;
  engine_->accumulate(pieces_);
  check_first_rows(*engine_, *network_, *records_, objective_);
}

void Steps::restore(const RunFolder& folder, int64_t charged) {
  const auto fail = [&](ErrorKind kind, const std::string& words) {
    throw Error(kind, folder.path().string() + ": " + words);
  };
  if (const auto bytes = folder.checkpoint())
    load_checkpoint(*bytes, weights_, *optimizer_, average_, counters_);
  if (training_.clipping == ClippingMode::kAdaptive && counters_.position > 0 && !counters_.next_clip)
    fail(ErrorKind::kDataLoss, "the checkpoint does not tell the clip; the run cannot be resumed");
  if (charged < counters_.position)
    fail(ErrorKind::kDataLoss,
         "the ledger has charged fewer steps than the checkpoint holds; it was set back");
  // Charged, but not in the checkpoint: lost, and never repeated.
  counters_.lost += charged - counters_.position;
  counters_.position = charged;
  if (counters_.lost == *training_.plan.steps)
    fail(ErrorKind::kBudgetExhausted,
         "every step was charged and lost in crashes; there is nothing to publish, start a new run");
}

void Steps::run(const std::function<void()>& after) {
  if (counters_.position >= *training_.plan.steps) return;
  int64_t piece = 0, rows = 0;
  double loss = 0;
  for (const Batch& batch : engine_->loader(*records_, *training_.plan.steps - counters_.position)) {
    optimizer_->zero_grad();
    const torch::Tensor output = engine_->watch(network_->forward(batch.data));
    const torch::Tensor summed = objective_.summed_loss(output, batch.target);
    summed.backward();
    loss += summed.item<double>();
    rows += batch.data.size(0);
    if (++piece < pieces_) continue;
    update(rows > 0 ? loss / static_cast<double>(rows) : 0.0);
    piece = rows = 0;
    loss = 0;
    after();
  }
}

void Steps::update(double mean_loss) {
  const double done = static_cast<double>(counters_.position) / static_cast<double>(*training_.plan.steps);
  set_learning_rate(*optimizer_, training_.learning_rate * schedule_.factor(done));
  optimizer_->step();
  average_.add(counters_.position, weights_);
  ++counters_.position;
  if (training_.clipping == ClippingMode::kAdaptive) counters_.next_clip = engine_->max_grad_norm();
  counters_.loss_curve.push_back(mean_loss);
}

std::string Steps::checkpoint() const {
  return save_checkpoint(weights_, *optimizer_, average_, counters_);
}

std::shared_ptr<Network> Steps::finish() {
  average_.apply(weights_);
  network_->eval();
  return network_;
}

int64_t Steps::not_finite() const {
  const torch::Tensor count = torch::tensor({static_cast<double>(engine_->counts().not_finite)}, at::kDouble);
  if (processes_) processes_->sum(count);
  return std::llround(count.item<double>());
}

}  // namespace discreet
