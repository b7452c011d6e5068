#include "discreet/dp/adam_bc.h"

#include <cmath>
#include <memory>

#include "discreet/base/error.h"

namespace discreet {
namespace {

void validate(const AdamBCOptions& o) {
  const auto require = [](bool holds, const std::string& message) {
    if (!holds) throw Error(ErrorKind::kInvalidArgument, message);
  };
  require(o.lr() > 0 && std::isfinite(o.lr()), "lr must be a finite number above 0");
  require(o.beta1() >= 0 && o.beta1() < 1, "beta1 must be from 0 to below 1");
  require(o.beta2() >= 0 && o.beta2() < 1, "beta2 must be from 0 to below 1");
  require(o.noise_stddev() >= 0 && std::isfinite(o.noise_stddev()),
          "noise_stddev must be a finite number, at least 0");
  require(o.floor() > 0 && std::isfinite(o.floor()), "floor must be a finite number above 0");
  require(o.weight_decay() >= 0 && std::isfinite(o.weight_decay()),
          "weight_decay must be a finite number, at least 0");
}

}  // namespace

AdamBC::AdamBC(std::vector<torch::Tensor> parameters, const AdamBCOptions& options)
    : Optimizer({torch::optim::OptimizerParamGroup(std::move(parameters))},
                std::make_unique<AdamBCOptions>(options)) {
  validate(options);
}

torch::Tensor AdamBC::step(LossClosure closure) {
  if (closure)
    throw Error(ErrorKind::kUnsupported, "a closure computes gradients again: each draw is used once");
  torch::NoGradGuard no_grad;
  size_t index = 0;
  for (auto& group : param_groups()) {
    const auto& o = static_cast<const AdamBCOptions&>(group.options());
    validate(o);
    for (torch::Tensor& parameter : group.params()) {
      if (index == moments_.size()) moments_.push_back({});
      Moments& moments = moments_[index++];
      const torch::Tensor& gradient = parameter.grad();
      if (!gradient.defined()) continue;
      if (moments.steps++ == 0) {
        moments.first = torch::zeros_like(parameter);
        moments.second = torch::zeros_like(parameter);
      }
      moments.first.mul_(o.beta1()).add_(gradient, 1 - o.beta1());
      moments.second.mul_(o.beta2()).addcmul_(gradient, gradient, 1 - o.beta2());
      const auto steps = static_cast<double>(moments.steps);
      const double first = 1 - std::pow(o.beta1(), steps), second = 1 - std::pow(o.beta2(), steps);
      const torch::Tensor squares =
          (moments.second / second - o.noise_stddev() * o.noise_stddev()).clamp_min_(o.floor() * o.floor());
      if (o.weight_decay() != 0) parameter.mul_(1 - o.lr() * o.weight_decay());
      parameter.addcdiv_(moments.first, squares.sqrt_(), -o.lr() / first);
    }
  }
  return {};
}

}  // namespace discreet
