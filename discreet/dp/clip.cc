#include "discreet/dp/clip.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>

#include "discreet/base/error.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/processes.h"

namespace discreet {
namespace {

constexpr double kMargin = 0x1p-10;       // of the clip: what rounding may add to one unit's norm
constexpr double kRecomputeAt = 0x1p-12;  // of the clip: a rounding error beyond this goes to double
constexpr int64_t kSamplesInFloat = 256;

// Uses of one parameter that are the same view of it, as one.
struct ViewUse {
  std::unique_ptr<Gradients> gradients;
  const ParameterUse* use;
};

// A use through a function of one parameter or several.
struct FunctionUse {
  std::unique_ptr<Gradients> gradients;
  const ParameterUse* use;

  // Double, in the parameter's shape: what samples [begin, end) add to its gradient by this use.
  at::Tensor gradient(const at::Tensor& parameter, int64_t begin, int64_t end) const {
    at::Tensor entering = gradients->gradient(begin, end);
    // In the model's precision the numbers may be out of range: brought near 1 and back by a power of two.
    const double largest = entering.abs().max().item<double>();
    if (largest == 0) return at::zeros(parameter.sizes(), entering.options());
    const double scale = std::isfinite(largest) ? std::exp2(std::floor(std::log2(largest))) : 1;
    entering = (entering / scale).to(parameter.scalar_type());
    const at::Tensor part = libtorch::gradient_of_parameter(use->from, entering, parameter);
    if (!part.defined()) return at::zeros(parameter.sizes(), parameter.options().dtype(at::kDouble));
    return part.to(at::kDouble) * scale;
  }
};

struct Uses {
  std::vector<ViewUse> views;  // of different parts of the parameter, or more than one way to see it
  std::vector<const FunctionUse*> functions;
  bool apart = true;  // one view, or several of which no two overlap: then squared norms add up
};

// Whether the views are blocks of memory of which no two overlap.
bool are_apart(const std::vector<ViewUse>& views, const at::Tensor& sum) {
  std::vector<std::pair<int64_t, int64_t>> blocks;
  for (const ViewUse& view : views) {
    const at::Tensor part = view.use->view(sum);
    if (!part.is_non_overlapping_and_dense()) return false;
    blocks.emplace_back(part.storage_offset(), part.storage_offset() + part.numel());
  }
  std::sort(blocks.begin(), blocks.end());
  for (size_t i = 1; i < blocks.size(); ++i)
    if (blocks[i].first < blocks[i - 1].second) return false;
  return true;
}

// One call of Clipper::add.
class Piece {
 public:
  Piece(const std::vector<TrainedParameter>& parameters, double max_grad_norm, const at::Tensor& output,
        const at::Tensor& output_gradient, const std::vector<int64_t>& unit_starts)
      : parameters_(parameters), max_grad_norm_(max_grad_norm), rows_(output.size(0)), starts_(unit_starts) {
    if (starts_.empty())
      for (int64_t row = 0; row < rows_; ++row) starts_.push_back(row);
    units_ = static_cast<int64_t>(starts_.size());
    starts_.push_back(rows_);
    nodes_ = find_uses(output, parameters);
    std::vector<libtorch::Edge> edges;
    for (const UseNode& node : nodes_)
      for (uint32_t k = 0; k < outputs_of(node); ++k) edges.emplace_back(node.node, k);
    const std::vector<at::Tensor> gradients = libtorch::gradients_at(output, output_gradient, edges);
    uses_.resize(parameters.size());
    auto next = gradients.begin();
    for (const UseNode& node : nodes_) {
      const std::vector<at::Tensor> own(next, next + outputs_of(node));
      next += outputs_of(node);
      add_uses(node, own, output_gradient.options());
    }
    for (const FunctionUse& function : functions_)
      for (size_t p : function.use->parameters) uses_[p].functions.push_back(&function);
    for (size_t p = 0; p < uses_.size(); ++p)
      uses_[p].apart =
          uses_[p].functions.empty() &&
          (uses_[p].views.size() == 1 || are_apart(uses_[p].views, parameters[p].tensor.detach()));
  }

  // The units' clip factors; 0 where a gradient is not finite, which adds nothing to `count` either.
  void clip(ClipCounts* counts, double* count) {
    squared_.assign(units_, 0.0);
    std::vector<double> rounding(units_, 0.0);
    for (size_t p = 0; p < uses_.size(); ++p) {
      if (uses_[p].apart) add_fast_norms(p, &rounding);
    }
    // Units whose norm cannot come from per-row norms: several rows, or rounding that matters.
    for (int64_t unit = 0; unit < units_; ++unit) {
      const double norm = std::sqrt(squared_[unit]);
      const bool rounded =
          !std::isfinite(squared_[unit]) || rounding[unit] > kRecomputeAt * std::max(norm, max_grad_norm_);
      if (starts_[unit + 1] - starts_[unit] != 1 || rounded) {
        direct_.push_back(unit);
        squared_[unit] = 0;
      }
    }
    for (size_t p = 0; p < uses_.size(); ++p)
      for (int64_t unit : direct_units(p)) squared_[unit] += squared_norm(direct_gradient(p, unit));
    factors_.assign(units_, 0.0);
    for (int64_t unit = 0; unit < units_; ++unit) {
      const double norm = std::sqrt(squared_[unit]);
      ++counts->units;
      if (!std::isfinite(norm)) {
        ++counts->not_finite;
      } else {
        factors_[unit] = max_grad_norm_ / std::max(norm, max_grad_norm_);
        if (norm > max_grad_norm_) ++counts->clipped;
        *count += count_part(norm, max_grad_norm_);
      }
    }
  }

  void add_to(std::vector<at::Tensor>& sums) {
    std::vector<double> row_weights(rows_, 0.0);
    for (int64_t unit = 0; unit < units_; ++unit)
      if (starts_[unit + 1] - starts_[unit] == 1) row_weights[starts_[unit]] = factors_[unit];
    for (int64_t unit : direct_) row_weights[starts_[unit]] = 0;
    const at::Tensor weights = at::tensor(row_weights, at::kDouble).to(sums[0].device());
    for (size_t p = 0; p < uses_.size(); ++p) {
      if (uses_[p].apart && static_cast<int64_t>(direct_.size()) < units_) {
        for (const ViewUse& view : uses_[p].views)
          for (int64_t begin = 0; begin < rows_; begin += kSamplesInFloat)
            view.gradients->add_weighted(weights, begin, std::min(begin + kSamplesInFloat, rows_),
                                         view.use->view(sums[p]));
      }
      for (int64_t unit : direct_units(p))
        if (factors_[unit] != 0) sums[p].add_(direct_gradient(p, unit), factors_[unit]);
    }
  }

 private:
  // Outputs of the node whose gradients its rule takes.
  static uint32_t outputs_of(const UseNode& node) {
    return node.rule->outputs == nullptr ? 1 : node.node->num_inputs();
  }

  void add_uses(const UseNode& node, std::vector<at::Tensor> gradients, const at::TensorOptions& options) {
    if (node.rule->outputs != nullptr) {
      std::vector<uint32_t> inputs;
      for (const ParameterUse& use : node.uses) inputs.push_back(use.input);
      auto parts = node.rule->outputs->gradients(*node.node, inputs, gradients, node.layout);
      for (size_t i = 0; i < inputs.size(); ++i) add_use(node.uses[i], std::move(parts[i]));
      return;
    }
    if (!gradients[0].defined()) gradients[0] = at::zeros(libtorch::output_shape(*node.node), options);
    for (const ParameterUse& use : node.uses)
      add_use(use, node.rule->gradients(*node.node, use.input, gradients[0], node.layout));
  }

  void add_use(const ParameterUse& use, std::unique_ptr<Gradients> gradients) {
    if (!use.is_view) {
      functions_.push_back({std::move(gradients), &use});
      return;
    }
    std::vector<ViewUse>& views = uses_[use.parameters[0]].views;
    for (ViewUse& known : views)
      if (known.use->steps == use.steps && known.gradients->absorb(*gradients)) return;
    views.push_back({std::move(gradients), &use});
  }

  // Units whose gradient of this parameter is computed directly: all of them where its uses overlap.
  std::vector<int64_t> direct_units(size_t p) const {
    if (uses_[p].apart) return direct_;
    std::vector<int64_t> all(units_);
    for (int64_t unit = 0; unit < units_; ++unit) all[unit] = unit;
    return all;
  }

  void add_fast_norms(size_t p, std::vector<double>* rounding) {
    for (const ViewUse& view : uses_[p].views) {
      const SquaredNorms norms = view.gradients->squared_norms();
      const at::Tensor squared = norms.squared.cpu().contiguous();
      const at::Tensor error = norms.error.defined() ? norms.error.cpu().contiguous() : at::Tensor();
      for (int64_t unit = 0; unit < units_; ++unit) {
        squared_[unit] += squared.data_ptr<double>()[starts_[unit]];
        if (error.defined()) (*rounding)[unit] += error.data_ptr<double>()[starts_[unit]];
      }
    }
  }

  static double squared_norm(const at::Tensor& gradient) { return gradient.square().sum().item<double>(); }

  // Double, in the parameter's shape: the unit's summed gradient over all uses. Kept while there is room.
  at::Tensor direct_gradient(size_t p, int64_t unit) {
    const auto found = kept_.find({p, unit});
    if (found != kept_.end()) return found->second;
    at::Tensor gradient = at::zeros(parameters_[p].tensor.sizes(),
                                    parameters_[p].tensor.options().dtype(at::kDouble).requires_grad(false));
    for (const ViewUse& view : uses_[p].views)
      view.use->view(gradient).add_(view.gradients->gradient(starts_[unit], starts_[unit + 1]));
    for (const FunctionUse* function : uses_[p].functions)
      gradient.add_(function->gradient(parameters_[p].tensor, starts_[unit], starts_[unit + 1]));
    if (kept_numbers_ + gradient.numel() <= kKeptDirectly) {
      kept_numbers_ += gradient.numel();
      kept_[{p, unit}] = gradient;
    }
    return gradient;
  }

  static constexpr int64_t kKeptDirectly = int64_t{1} << 23;

  const std::vector<TrainedParameter>& parameters_;
  double max_grad_norm_;
  int64_t rows_, units_;
  std::vector<int64_t> starts_;  // one more than units
  std::vector<UseNode> nodes_;
  std::deque<FunctionUse> functions_;
  std::vector<Uses> uses_;                 // by parameter
  std::vector<double> squared_, factors_;  // by unit
  std::vector<int64_t> direct_;            // units computed directly for every parameter
  std::map<std::pair<size_t, int64_t>, at::Tensor> kept_;
  int64_t kept_numbers_ = 0;
};

}  // namespace

Clipper::Clipper(std::vector<TrainedParameter> parameters, double max_grad_norm)
    : parameters_(std::move(parameters)) {
  set_max_grad_norm(max_grad_norm);
  if (parameters_.empty()) throw Error(ErrorKind::kInvalidArgument, "the model has no trained parameter");
  for (const TrainedParameter& parameter : parameters_)
    if (!parameter.tensor.is_floating_point() || parameter.tensor.scalar_type() == at::kHalf ||
        parameter.tensor.scalar_type() == at::kBFloat16)
      throw Error(ErrorKind::kUnsupported, "parameter '" + parameter.name + "' is neither float nor double");
  sums_ = zeros();
}

void Clipper::set_max_grad_norm(double max_grad_norm) {
  if (!(max_grad_norm > 0) || !std::isfinite(max_grad_norm))
    throw Error(ErrorKind::kInvalidArgument, "max_grad_norm must be a finite number above 0");
  if (!empty_) throw Error(ErrorKind::kInvalidArgument, "one sum has one clip: take it first");
  max_grad_norm_ = max_grad_norm;
}

std::vector<at::Tensor> Clipper::zeros() const {
  std::vector<at::Tensor> result;
  for (const TrainedParameter& parameter : parameters_)
    result.push_back(at::zeros(parameter.tensor.sizes(),
                               parameter.tensor.options().dtype(at::kDouble).requires_grad(false)));
  return result;
}

void Clipper::add(const at::Tensor& output, const at::Tensor& output_gradient,
                  const std::vector<int64_t>& unit_starts) {
  at::NoGradGuard no_grad;
  if (!output.defined() || output.dim() == 0 || !output.sizes().equals(output_gradient.sizes()))
    throw Error(ErrorKind::kInvalidArgument,
                "the output must be [rows, ...] and its gradient must have the same shape");
  if (output.size(0) == 0) return;
  const bool ascending = std::adjacent_find(unit_starts.begin(), unit_starts.end(),
                                            [](int64_t a, int64_t b) { return a >= b; }) == unit_starts.end();
  if (!unit_starts.empty() &&
      (unit_starts.front() != 0 || !ascending || unit_starts.back() >= output.size(0)))
    throw Error(ErrorKind::kInvalidArgument,
                "unit_starts must ascend from 0 and stay below the number of rows");
  Piece piece(parameters_, max_grad_norm_, output, output_gradient, unit_starts);
  empty_ = false;
  piece.clip(&counts_, &count_);
  piece.add_to(sums_);
}

ClippedSum Clipper::take() {
  std::vector<at::Tensor> taken = zeros();
  taken.swap(sums_);
  empty_ = true;
  return ClippedSum(std::move(taken), max_grad_norm_ * (1 + kMargin), std::exchange(count_, 0.0));
}

void ClippedSum::sum_over(Processes& processes) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors_) flat.push_back(tensor.flatten().cpu());
  flat.push_back(torch::tensor({count_}, at::kDouble));
  const at::Tensor values = at::cat(flat);
  processes.sum(values);
  int64_t begin = 0;
  for (at::Tensor& tensor : tensors_) {
    tensor.copy_(values.slice(0, begin, begin + tensor.numel()).reshape(tensor.sizes()));
    begin += tensor.numel();
  }
  count_ = values[begin].item<double>();
}

}  // namespace discreet
