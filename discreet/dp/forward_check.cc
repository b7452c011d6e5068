// PrivacyEngine::State::check_forward: what one batch shows about a forward pass that the graph does not.
#include <ATen/autocast_mode.h>

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/dp/check.h"
#include "discreet/dp/engine_state.h"
#include "discreet/dp/graph.h"

namespace discreet {
namespace {

using at::Tensor;
using Forward = std::function<Tensor(Tensor)>;

constexpr int64_t kRowsOfLayout = 32;    // what is looked at is how operations treat rows: few show it
constexpr double kTolerance = 1e-3;      // far above rounding, far below any dependence that matters
constexpr double kOfOtherRows = 2e-2;    // where another number of rows rounds otherwise
constexpr double kOfOtherRows16 = 2e-1;  // and in 16 bits
constexpr int64_t kRowsOfHalves = 4;     // a model may drop the dimension of a single row
constexpr double kNearlyZero = 1e-3;     // what such a gain hides is below the tolerance
constexpr double kInPlaceOfZeros = 0.1;  // standard deviation

[[noreturn]] void unsupported(const std::string& message) {
  throw Error(ErrorKind::kUnsupported, message);
}

// Trained parameters that are nothing but zeros (heads, adapters, gains that start so), or nearly, hold
// random numbers while this lives: what lies behind them would not show in the output.
class InPlaceOfZeros {
 public:
  explicit InPlaceOfZeros(const std::vector<TrainedParameter>& parameters) : InPlaceOfZeros() {
    at::NoGradGuard no_grad;
    for (const TrainedParameter& parameter : parameters) {
      const Tensor values = parameter.tensor.variable_data();  // the same numbers, with a version of its own
      if (values.numel() == 0 || !(values.abs().max().item<double>() < kNearlyZero)) continue;
      before_.emplace_back(values, values.clone());
      values.normal_(0, kInPlaceOfZeros);
    }
  }
  ~InPlaceOfZeros() {
    at::NoGradGuard no_grad;
    for (const auto& [values, before] : before_) values.copy_(before);
  }
  InPlaceOfZeros(const InPlaceOfZeros&) = delete;
  InPlaceOfZeros& operator=(const InPlaceOfZeros&) = delete;

 private:
  InPlaceOfZeros() = default;  // done before the rest, so that the destructor runs when that throws
  std::vector<std::pair<Tensor, Tensor>> before_;
};

// What autocast keeps of the weights was made without gradients, and perhaps in place of zeros.
class AutocastCache {
 public:
  ~AutocastCache() { at::autocast::clear_cache(); }
};

// work() with the model in evaluation mode; each module is as it was afterwards.
void in_evaluation_mode(torch::nn::Module& model, const std::function<void(bool)>& by_binding,
                        const std::function<void()>& work) {
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> before;
  if (!by_binding)
    for (const auto& module : model.modules()) before.emplace_back(module, module->is_training());
  const auto evaluate = [&](bool on) {
    if (by_binding) return by_binding(on);
    if (on) return model.eval();
    for (const auto& [module, training] : before) module->train(training);
  };
  try {
    evaluate(true);
    work();
  } catch (...) {
    evaluate(false);
    throw;
  }
  evaluate(false);  // may throw itself, where a binding is interrupted
}

// x with sample i replaced by something else of the same kind.
Tensor perturbed(const Tensor& x, int64_t i) {
  Tensor result = x.clone();
  const Tensor other = x[(i + 1) % x.size(0)];
  result[i].copy_(x.is_floating_point() ? other * -1.5 + 0.25 : other);
  return result;
}

// As far as both reach: outputs may be as long as the longest row of their batch.
bool close_where_both(Tensor a, Tensor b, double tolerance = kTolerance) {
  if (a.dim() != b.dim()) return false;
  for (int64_t d = 0; d < a.dim(); ++d) {
    const int64_t size = std::min(a.size(d), b.size(d));
    a = a.narrow(d, 0, size), b = b.narrow(d, 0, size);
  }
  return close(a, b, tolerance);
}

void check_samples_apart(const Forward& run, const Tensor& x, const Tensor& output, int64_t batch) {
  at::NoGradGuard no_grad;
  for (int64_t i : some_rows(x.size(0), 3)) {
    const Tensor moved = run(perturbed(x, i));
    for (int64_t j = 0; j < x.size(0); ++j)
      if (j != i && !close_where_both(output.select(batch, j), moved.select(batch, j)))
        unsupported("changing row " + std::to_string(i) + " of the batch moves the output of row " +
                    std::to_string(j) +
                    ": the model mixes samples (batch statistics? use group or layer normalisation)");
  }
}

// Each row among half of the others, half of them in other places.
void compare_halves(const Forward& run, const Tensor& x, const Tensor& output, int64_t batch) {
  const int64_t rows = x.size(0), half = rows / 2;
  const double tolerance = output.element_size() < 4 ? kOfOtherRows16 : kOfOtherRows;
  for (const auto& [begin, end] : {std::pair(int64_t{0}, half), std::pair(half, rows)}) {
    const Tensor alone = run(x.slice(0, begin, end));
    if (alone.dim() <= batch || alone.size(batch) != end - begin)
      unsupported("of " + std::to_string(end - begin) +
                  " rows of the batch the output must have as many rows, in its dimension " +
                  std::to_string(batch));
    for (int64_t j = begin; j < end; ++j)
      if (!close_where_both(output.select(batch, j), alone.select(batch, j - begin), tolerance))
        unsupported(
            "row " + std::to_string(j) + " of the batch has another output when it is among rows " +
            std::to_string(begin) + " to " + std::to_string(end - 1) +
            " only: the model makes it depend on the other rows, on how many there are, or on its place "
            "among them (a table of positions added along the batch? a division by the number of rows? "
            "statistics of the batch?)");
  }
}

// Dropout draws other numbers for other rows, so such a model is looked at in evaluation mode; one that draws
// even there is not looked at.
void check_halves(const Forward& run, const Tensor& x, const Tensor& output, int64_t batch,
                  const SameRandomness& randomness, torch::nn::Module& model,
                  const std::function<void(bool)>& evaluating) {
  if (x.size(0) < kRowsOfHalves) return;
  at::NoGradGuard no_grad;
  if (!randomness.drawn_from()) return compare_halves(run, x, output, batch);
  in_evaluation_mode(model, evaluating, [&] {
    const Tensor evaluated = run(x);
    if (!randomness.drawn_from()) compare_halves(run, x, evaluated, batch);
  });
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
      if (!close(expected[i], actual[i], kTolerance))
        unsupported("parameter '" + parameters[nodes[n].uses.front().parameters.front()].name +
                    "' is used by '" + nodes[n].node->name() +
                    "' on rows that do not belong to one sample each");
  }
}

}  // namespace

bool close(const Tensor& a, const Tensor& b, double tolerance) {
  if (!a.sizes().equals(b.sizes())) return false;
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  if (!x.isfinite().equal(y.isfinite())) return false;
  const Tensor finite = x.isfinite();
  const Tensor difference = (x - y).abs().masked_select(finite);
  if (difference.numel() == 0) return true;
  const double size = std::max(x.abs().masked_select(finite).max().item<double>(),
                               y.abs().masked_select(finite).max().item<double>());
  return difference.max().item<double>() <= tolerance * size;
}

std::vector<int64_t> some_rows(int64_t rows, int64_t most) {
  std::vector<int64_t> result;
  for (int64_t k = 0; k < std::min(rows, most); ++k)
    result.push_back(k * (rows - 1) / std::max<int64_t>(1, std::min(rows, most) - 1));
  return result;
}

void PrivacyEngine::State::guard_look() {
  if (phase == Phase::kHandedOut) written.check();
  written.remember_contents();
}

bool PrivacyEngine::State::to_be_checked(int64_t rows) const {
  return options.check_first_batch && rows > 1 && rows > rows_checked && rows_checked < kRowsOfHalves;
}

void PrivacyEngine::State::check_forward(const Forward& forward, const Tensor& x) {
  BufferGuard unchanged(*model, options.independent_buffers);
  unchanged.remember();
  guard_look();
  SameRandomness randomness;
  const Forward run = [&](const Tensor& input) {
    randomness.restart();
    return forward(input);
  };
  const AutocastCache cleared_at_the_end;
  {
    at::NoGradGuard no_grad;
    run(x);
  }
  unchanged.check();
  written.check();
  const InPlaceOfZeros visible(clipper.parameters());
  Tensor output;
  {
    at::NoGradGuard no_grad;
    output = run(x);
  }
  const int64_t batch = options.batch_dimension;
  if (!output.defined() || output.dim() <= batch || output.size(batch) != x.size(0))
    unsupported("the output must have one row for each row of the batch, in its dimension " +
                std::to_string(batch));
  check_samples_apart(run, x, output, batch);
  check_halves(run, x, output, batch, randomness, *model, options.evaluating);
  at::autocast::clear_cache();
  if (options.grad_mode == GradMode::kGraph)
    check_layout(run(x.slice(0, 0, kRowsOfLayout)), clipper.parameters(), clipper.graph());
  rows_checked = std::max(rows_checked, x.size(0));
}

}  // namespace discreet
