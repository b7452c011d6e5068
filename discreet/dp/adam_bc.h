// Adam for private gradients: the noise's share is taken out of the second moment (Tang, Shpilevskiy, Lecuyer
// 2023, "DP-AdamBC: Your DP-Adam Is Actually DP-SGD (Unless You Apply Bias Correction)", Algorithm 1).
//
// A released gradient is g + noise, so that its squares are on average g^2 + stddev^2, and where noise is
// large Adam divides by that alone. Here a step is
//   p -= learning_rate * m / sqrt(max(v - stddev^2, floor^2)),
// m and v being Adam's moments with their own corrections for the start. This is post-processing of the
// released gradients: it costs no privacy.
#pragma once

#include <torch/torch.h>

#include <vector>

namespace discreet {

struct AdamBCOptions : torch::optim::OptimizerCloneableOptions<AdamBCOptions> {
  explicit AdamBCOptions(double learning_rate = 1e-3, double stddev = 0)
      : lr_(learning_rate), noise_stddev_(stddev) {}
  TORCH_ARG(double, lr) = 1e-3;         // above 0
  TORCH_ARG(double, beta1) = 0.9;       // [0, 1)
  TORCH_ARG(double, beta2) = 0.999;     // [0, 1)
  TORCH_ARG(double, noise_stddev) = 0;  // of the noise in a gradient: PrivacyEngine::gradient_stddev()
  TORCH_ARG(double, floor) = 1e-8;      // above 0: the least that is divided by
  TORCH_ARG(double, weight_decay) = 0;  // decoupled, as AdamW's; at least 0

 public:
  double get_lr() const override { return lr(); }
  void set_lr(const double learning_rate) override { lr(learning_rate); }
};

class AdamBC : public torch::optim::Optimizer {
 public:
  // kInvalidArgument, naming the option, where one is out of its range.
  AdamBC(std::vector<torch::Tensor> parameters, const AdamBCOptions& options);
  torch::Tensor step(LossClosure closure = nullptr) override;

 private:
  struct Moments {
    int64_t steps = 0;
    torch::Tensor first, second;
  };
  std::vector<Moments> moments_;  // of each parameter, over all groups in order
};

}  // namespace discreet
