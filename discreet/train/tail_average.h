// The mean of the weights over the last steps of a run (Polyak and Juditsky 1992): the noise of single steps
// averages out. Post-processing of the released weights, so it costs no privacy.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace discreet {

class TailAverage {
 public:
  // Averages over the steps from planned_steps * (1 - share) on; share 0 means the last weights alone.
  TailAverage(double share, int64_t planned_steps);

  // After the step that used charge number `step` (counted from 0). Sums are kept in double.
  void add(int64_t step, const std::vector<torch::Tensor>& weights);

  // Overwrites the weights by their mean; leaves them as they are where no step was averaged.
  void apply(const std::vector<torch::Tensor>& weights) const;

  // For checkpoints: the sums (empty before the first averaged step) and how many steps are in them.
  const std::vector<torch::Tensor>& sums() const { return sums_; }
  int64_t count() const { return count_; }
  void restore(std::vector<torch::Tensor> sums, int64_t count);

 private:
  int64_t first_step_, count_ = 0;
  std::vector<torch::Tensor> sums_;
};

}  // namespace discreet
