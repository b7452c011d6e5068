#include "discreet/dp/clip.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "discreet/base/error.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/processes.h"

namespace discreet {
namespace {

constexpr double kMargin = 0x1p-10;       // of the clip: what rounding may add to one unit's norm
constexpr double kRecomputeAt = 0x1p-12;  // of the clip: a rounding error beyond this goes to double
constexpr int64_t kSamplesInFloat = 256;

// One use of one parameter, ready to be clipped.
struct BoundUse {
  Term* term;
  const ParameterUse* use;
};

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
    for (const UseNode& node : nodes_) edges.emplace_back(node.node, 0);
    const std::vector<at::Tensor> gradients = libtorch::gradients_at(output, output_gradient, edges);
    uses_.resize(parameters.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      at::Tensor gradient = gradients[i];
      if (!gradient.defined())
        gradient = at::zeros(libtorch::output_shape(*nodes_[i].node), output_gradient.options());
      terms_.push_back(nodes_[i].rule->bind(*nodes_[i].node, gradient, rows_));
      for (const ParameterUse& use : nodes_[i].uses)
        uses_[use.parameter].push_back({terms_.back().get(), &use});
    }
  }

  // The units' clip factors; 0 where a gradient is not finite, which adds nothing to `count` either.
  void clip(ClipCounts* counts, double* count) {
    squared_.assign(units_, 0.0);
    std::vector<double> rounding(units_, 0.0);
    for (size_t p = 0; p < uses_.size(); ++p) {
      if (uses_[p].size() == 1) add_fast_norms(p, &rounding);
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
      if (uses_[p].size() == 1 && static_cast<int64_t>(direct_.size()) < units_) {
        const BoundUse& bound = uses_[p].front();
        for (int64_t begin = 0; begin < rows_; begin += kSamplesInFloat)
          bound.term->add_weighted(bound.use->input, weights, begin, std::min(begin + kSamplesInFloat, rows_),
                                   bound.use->alias(sums[p]));
      }
      for (int64_t unit : direct_units(p))
        if (factors_[unit] != 0) sums[p].add_(direct_gradient(p, unit), factors_[unit]);
    }
  }

 private:
  // Units whose gradient of this parameter is computed directly: all of them where it has several uses.
  std::vector<int64_t> direct_units(size_t p) const {
    if (uses_[p].size() == 1) return direct_;
    std::vector<int64_t> all(units_);
    for (int64_t unit = 0; unit < units_; ++unit) all[unit] = unit;
    return all;
  }

  void add_fast_norms(size_t p, std::vector<double>* rounding) {
    const BoundUse& bound = uses_[p].front();
    const SquaredNorms norms = bound.term->squared_norms(bound.use->input);
    const at::Tensor squared = norms.squared.cpu().contiguous();
    const at::Tensor error = norms.error.defined() ? norms.error.cpu().contiguous() : at::Tensor();
    for (int64_t unit = 0; unit < units_; ++unit) {
      squared_[unit] += squared.data_ptr<double>()[starts_[unit]];
      if (error.defined()) (*rounding)[unit] += error.data_ptr<double>()[starts_[unit]];
    }
  }

  static double squared_norm(const at::Tensor& gradient) { return gradient.square().sum().item<double>(); }

  // Double, in the parameter's shape: the unit's summed gradient over all uses. Kept while there is room.
  at::Tensor direct_gradient(size_t p, int64_t unit) {
    const auto found = kept_.find({p, unit});
    if (found != kept_.end()) return found->second;
    at::Tensor gradient = at::zeros(parameters_[p].tensor.sizes(),
                                    parameters_[p].tensor.options().dtype(at::kDouble).requires_grad(false));
    for (const BoundUse& bound : uses_[p])
      bound.use->alias(gradient).add_(
          bound.term->gradient(bound.use->input, starts_[unit], starts_[unit + 1]));
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
  std::vector<std::unique_ptr<Term>> terms_;
  std::vector<std::vector<BoundUse>> uses_;  // by parameter
  std::vector<double> squared_, factors_;    // by unit
  std::vector<int64_t> direct_;              // units computed directly for every parameter
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
