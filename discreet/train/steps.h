// The steps of a run: draw, watch, backward, step, average. Each process that takes part makes all of them,
// the same; the loop (loop.h) is what process 0 does round them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discreet/dp/privacy_engine.h"
#include "discreet/model/network.h"
#include "discreet/train/checkpoint.h"
#include "discreet/train/feature_cache.h"
#include "discreet/train/objective.h"
#include "discreet/train/private_data.h"
#include "discreet/train/run_folder.h"
#include "discreet/train/schedule.h"
#include "discreet/train/training_plan.h"

namespace discreet {

class Steps {
 public:
  // From where the run folder's checkpoint stands. `charged`: steps that the ledger has charged; those that
  // are not in the checkpoint are lost. `charge` as in PrivacyOptions, on process 0. `processes`: null for
  // one. kDataLoss where the checkpoint does not fit the plan or the ledger, kBudgetExhausted where every
  // step is lost, kInterrupted while features are computed.
  Steps(const RunFolder& folder, const PreparedData& data, const TrainingPlan& training, int64_t charged,
        std::function<void(int64_t step)> charge, std::shared_ptr<Processes> processes);

  // Makes all that are left; `after` is called behind each, and stops them by throwing.
  void run(const std::function<void()>& after);

  const Counters& counters() const { return counters_; }
  const PrivacyEngine& engine() const { return *engine_; }
  std::string checkpoint() const;

  // After the last: the network with its averaged weights, ready to predict.
  std::shared_ptr<Network> finish();

  // Gradients that were not finite, on all processes together. Every process calls this.
  int64_t not_finite() const;

 private:
  void restore(const RunFolder& folder, int64_t charged);
  void update(double mean_loss);  // by the released gradient

  const TrainingPlan& training_;
  std::shared_ptr<Processes> processes_;
  std::shared_ptr<Network> network_;
  std::vector<torch::Tensor> weights_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  TailAverage average_;
  const Schedule& schedule_;
  const Objective& objective_;
  Counters counters_;
  std::unique_ptr<FeatureCache> records_;
  int64_t pieces_ = 1;  // of a draw, the same on every process
  std::unique_ptr<PrivacyEngine> engine_;
};

}  // namespace discreet
