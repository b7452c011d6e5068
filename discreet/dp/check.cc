// PrivacyEngine::check and plan: what one batch can show about a loss.
#include "discreet/dp/check.h"

#include <unordered_set>

#include "discreet/base/error.h"
#include "discreet/dp/engine_state.h"

namespace discreet {
namespace {

using at::Tensor;
using Loss = std::function<Tensor(Tensor, Tensor)>;

constexpr double kTolerance = 1e-3;  // far above rounding, far below any dependence that matters

[[noreturn]] void unsupported(const std::string& message) {
  throw Error(ErrorKind::kUnsupported, message);
}

Tensor gradient_of(const Loss& loss, const Tensor& output, const Tensor& target,
                   const std::vector<TrainedParameter>& parameters) {
  const Tensor leaf = output.detach().clone().requires_grad_();
  const Tensor value = loss(leaf, target);
  if (!value.defined() || value.numel() != 1)
    unsupported("the loss must be one number: reduce the per-sample losses by their mean or sum");
  if (!value.requires_grad()) unsupported("the loss does not depend on the output");
  // A way from the loss to a parameter other than the output.
  std::vector<libtorch::Node*> stack{value.grad_fn().get()};
  std::unordered_set<libtorch::Node*> seen;
  while (!stack.empty()) {
    libtorch::Node* node = stack.back();
    stack.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (auto* accumulate = dynamic_cast<libtorch::AccumulateGrad*>(node))
      for (const TrainedParameter& parameter : parameters)
        if (accumulate->variable.is_same(parameter.tensor))
          unsupported("the loss depends on parameter '" + parameter.name +
                      "' directly: use the optimizer's weight_decay instead of a regulariser");
    for (const auto& edge : node->next_edges()) stack.push_back(edge.function.get());
  }
  const Tensor gradient = torch::autograd::grad({value}, {leaf}, {}, {}, false, /*allow_unused=*/true)[0];
  return gradient.defined() ? gradient : at::zeros_like(leaf);
}

void check_loss(const Loss& loss, const Tensor& output, const Tensor& y, Reduction reduction,
                const std::vector<TrainedParameter>& parameters, int64_t batch) {
  const int64_t rows = output.size(batch);
  const double factor = reduction == Reduction::kMean ? static_cast<double>(rows) : 1.0;
  const Tensor all = gradient_of(loss, output, y, parameters) * factor;
  for (int64_t i : some_rows(rows, 16)) {
    const Tensor together = all.select(batch, i);
    const Tensor alone =
        gradient_of(loss, output.slice(batch, i, i + 1), y.slice(0, i, i + 1), parameters).select(batch, 0);
    if (close(together, alone, kTolerance)) continue;
    const std::string declared = reduction == Reduction::kMean ? "kMean" : "kSum";
    const Tensor other = together * (reduction == Reduction::kMean ? 1.0 / factor : 1.0 * rows);
    if (close(other, alone, kTolerance))
      unsupported("loss_reduction is declared as " + declared + ", but the loss is the " +
                  (reduction == Reduction::kMean ? "sum" : "mean") + " of the per-sample losses");
    unsupported(
        "loss_reduction is declared as " + declared + ", but the loss of row " + std::to_string(i) +
        " counts otherwise when it stands alone (class weights, ignored targets, a mean over tokens, a "
        "contrastive loss?). Use per-sample losses: reduction none, your weights, a sum over each row's own "
        "terms, then .sum() with Reduction::kSum");
  }
}

}  // namespace

void PrivacyEngine::check(const std::function<Tensor(Tensor)>& forward,
                          const std::function<Tensor(Tensor, Tensor)>& loss, const Tensor& x,
                          const Tensor& y) {
  if (x.dim() == 0 || x.size(0) < 2 || y.dim() == 0 || y.size(0) != x.size(0))
    throw Error(ErrorKind::kInvalidArgument,
                "check() needs a batch of at least 2 rows, each with its target");
  state_->check_forward(forward, x);
  SameRandomness randomness;
  check_loss(loss, forward(x), y, state_->options.loss_reduction, state_->clipper.parameters(),
             state_->options.batch_dimension);
}

ClipPlan PrivacyEngine::plan(const std::function<Tensor(Tensor)>& forward,
                             const std::function<Tensor(Tensor, Tensor)>& loss, const Tensor& x,
                             const Tensor& y, const PlanOptions& plan_options) {
  const PrivacyOptions& options = state_->options;
  if (options.grad_mode == GradMode::kExactSlow)
    throw Error(ErrorKind::kInvalidArgument, "plan(): GradMode::kExactSlow asks no rule");
  BufferGuard unchanged(*state_->model, options.independent_buffers);
  unchanged.remember();
  state_->guard_look();
  SameRandomness randomness;
  const Tensor output = forward(x);
  unchanged.check();
  state_->written.check();
  const int64_t batch = options.batch_dimension;
  if (!output.defined() || output.dim() <= batch)
    throw Error(ErrorKind::kInvalidArgument,
                "plan() needs an output with the batch as its dimension " + std::to_string(batch));
  const double rows = static_cast<double>(output.size(batch));
  const Tensor gradient = gradient_of(loss, output, y, state_->clipper.parameters());
  const RawGradientGuard::Pause pause(state_->raw_gradients);
  return state_->clipper.plan(output, options.loss_reduction == Reduction::kMean ? gradient * rows : gradient,
                              plan_options);
}

}  // namespace discreet
