// PrivacyEngine::check and plan: what one batch can show about a forward pass and a loss.
#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "discreet/base/error.h"
#include "discreet/dp/engine_state.h"
#include "discreet/dp/graph.h"

namespace discreet {
namespace {

using at::Tensor;
using Forward = std::function<Tensor(Tensor)>;
using Loss = std::function<Tensor(Tensor, Tensor)>;

constexpr int64_t kRowsOfLayout = 32;  // what is looked at is how operations treat rows: few show it
constexpr double kTolerance = 1e-3;    // far above rounding, far below any dependence that matters

[[noreturn]] void unsupported(const std::string& message) {
  throw Error(ErrorKind::kUnsupported, message);
}

// Dropout and its like draw the same numbers in every forward pass while this lives.
class SameRandomness {
 public:
  SameRandomness()
      : generator_(at::globalContext().defaultGenerator(at::kCPU)), state_(generator_.get_state()) {}
  ~SameRandomness() { generator_.set_state(state_); }
  void restart() { generator_.set_state(state_); }

 private:
  at::Generator generator_;
  Tensor state_;
};

bool close(const Tensor& a, const Tensor& b) {
  if (!a.sizes().equals(b.sizes())) return false;
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  if (!x.isfinite().equal(y.isfinite())) return false;
  const Tensor finite = x.isfinite();
  const Tensor difference = (x - y).abs().masked_select(finite);
  if (difference.numel() == 0) return true;
  const double size = std::max(x.abs().masked_select(finite).max().item<double>(),
                               y.abs().masked_select(finite).max().item<double>());
  return difference.max().item<double>() <= kTolerance * size;
}

// x with sample i replaced by something else of the same kind.
Tensor perturbed(const Tensor& x, int64_t i) {
  Tensor result = x.clone();
  const Tensor other = x[(i + 1) % x.size(0)];
  result[i].copy_(x.is_floating_point() ? other * -1.5 + 0.25 : other);
  return result;
}

std::vector<int64_t> some_rows(int64_t rows, int64_t most) {
  std::vector<int64_t> result;
  for (int64_t k = 0; k < std::min(rows, most); ++k)
    result.push_back(k * (rows - 1) / std::max<int64_t>(1, std::min(rows, most) - 1));
  return result;
}

void check_samples_apart(const Forward& run, const Tensor& x, const Tensor& output, int64_t batch) {
  at::NoGradGuard no_grad;
  for (int64_t i : some_rows(x.size(0), 3)) {
    const Tensor moved = run(perturbed(x, i));
    for (int64_t j = 0; j < x.size(0); ++j)
      if (j != i && !close(output.select(batch, j), moved.select(batch, j)))
        unsupported("changing row " + std::to_string(i) + " of the batch moves the output of row " +
                    std::to_string(j) +
                    ": the model mixes samples (batch statistics? use group or layer normalisation)");
  }
}

// Backward is linear in the output's gradient: with each sample's gradient multiplied by a number of its own,
// every row of every operation must come out multiplied by its sample's number.
void check_layout(const Tensor& output, const std::vector<TrainedParameter>& parameters,
                  const GraphOptions& graph) {
  at::NoGradGuard no_grad;
  const std::vector<UseNode> nodes = find_uses(output, parameters, graph);
  std::vector<libtorch::Edge> edges;
  for (const UseNode& node : nodes) edges.emplace_back(node.node, 0);
  const int64_t samples = output.size(graph.batch_dimension);
  // Powers of two, all different: exact in any precision.
  const Tensor multipliers =
      at::exp2(at::randperm(samples, output.options().dtype(at::kDouble)) - samples / 2);
  std::vector<int64_t> shape(output.dim(), 1);
  shape[graph.batch_dimension] = samples;
  const Tensor gradient = at::randn(output.sizes(), output.options());
  const auto plain = libtorch::gradients_at(output, gradient, edges);
  const auto scaled =
      libtorch::gradients_at(output, gradient * multipliers.view(shape).to(gradient.scalar_type()), edges);
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (!plain[n].defined() || !scaled[n].defined() || nodes[n].uses.empty()) continue;
    const auto by_sample = [&](const Tensor& x) {
      return nodes[n].layout.samples_first(x, 0, x.sizes().vec(), 0).to(at::kDouble);
    };
    const Tensor expected = by_sample(plain[n]) * multipliers.unsqueeze(1), actual = by_sample(scaled[n]);
    for (int64_t i = 0; i < samples; ++i)
      if (!close(expected[i], actual[i]))
        unsupported("parameter '" + parameters[nodes[n].uses.front().parameters.front()].name +
                    "' is used by '" + nodes[n].node->name() +
                    "' on rows that do not belong to one sample each");
  }
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
    if (close(together, alone)) continue;
    const std::string declared = reduction == Reduction::kMean ? "kMean" : "kSum";
    const Tensor other = together * (reduction == Reduction::kMean ? 1.0 / factor : 1.0 * rows);
    if (close(other, alone))
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

void PrivacyEngine::State::check_forward(const Forward& forward, const Tensor& x) {
  BufferGuard unchanged(*model, options.independent_buffers);
  unchanged.remember();
  SameRandomness randomness;
  const Forward run = [&](const Tensor& input) {
    randomness.restart();
    return forward(input);
  };
  Tensor output;
  {
    at::NoGradGuard no_grad;
    output = run(x);
  }
  unchanged.check();
  const int64_t batch = options.batch_dimension;
  if (!output.defined() || output.dim() <= batch || output.size(batch) != x.size(0))
    unsupported("the output must have one row for each row of the batch, in its dimension " +
                std::to_string(batch));
  check_samples_apart(run, x, output, batch);
  if (options.grad_mode == GradMode::kGraph)
    check_layout(run(x.slice(0, 0, kRowsOfLayout)), clipper.parameters(), clipper.graph());
  checked = true;
}

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
  SameRandomness randomness;
  const Tensor output = forward(x);
  unchanged.check();
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
