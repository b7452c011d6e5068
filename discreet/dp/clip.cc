#include "discreet/dp/clip.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/clip_piece.h"
#include "discreet/dp/on_device.h"
#include "discreet/dp/processes.h"

namespace discreet {
namespace {

constexpr double kMargin = 0x1p-10;  // of the clip: what rounding may add to one unit's norm

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

std::vector<std::string> names_of(const std::vector<TrainedParameter>& parameters) {
  std::vector<std::string> names;
  for (const TrainedParameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

}  // namespace

Clipper::Clipper(std::vector<TrainedParameter> parameters, double max_grad_norm, Clipping clipping,
                 GraphOptions graph)
    : parameters_(std::move(parameters)), clipping_(std::move(clipping)), graph_(std::move(graph)) {
  if (parameters_.empty()) refuse("the model has no trained parameter");
  if (graph_.batch_dimension < 0) refuse("batch_dimension must not be negative");
  set_max_grad_norm(max_grad_norm);
  for (const TrainedParameter& parameter : parameters_)
    if (!parameter.tensor.is_floating_point() || parameter.tensor.scalar_type() == at::kHalf ||
        parameter.tensor.scalar_type() == at::kBFloat16)
      throw Error(ErrorKind::kUnsupported, "parameter '" + parameter.name + "' is neither float nor double");
  for (const TrainedParameter& parameter : parameters_)
    if (parameter.tensor.device() != parameters_[0].tensor.device())
      throw Error(ErrorKind::kUnsupported,
                  "parameter '" + parameter.name + "' is on device " + parameter.tensor.device().str() +
                      " and '" + parameters_[0].name + "' on " + parameters_[0].tensor.device().str() +
                      ": all trained parameters must be on one");
  for (size_t p = 0; p < parameters_.size(); ++p) buffers_.push_back(std::make_shared<GradientBuffers>());
  sums_ = zeros();
  count_ = zero(at::kDouble);
  clipped_ = zero(at::kLong);
  not_finite_ = zero(at::kLong);
}

// Where the parameters are.
at::Tensor Clipper::zero(at::ScalarType type) const {
  return at::zeros({}, parameters_[0].tensor.options().dtype(type).requires_grad(false));
}

void Clipper::set_max_grad_norm(double max_grad_norm) {
  if (!empty_) refuse("one sum has one clip: take it first");
  groups_ = bounded_groups(clipping_, names_of(parameters_), max_grad_norm);
  max_grad_norm_ = max_grad_norm;
}

std::vector<BlockSum> Clipper::zeros() const {
  std::vector<BlockSum> result;
  for (size_t p = 0; p < parameters_.size(); ++p)
    result.emplace_back(parameters_[p].tensor.detach(), buffers_[p]);
  return result;
}

void Clipper::check_piece(const at::Tensor& output, const at::Tensor& output_gradient,
                          const std::vector<int64_t>& unit_starts) const {
  const int64_t batch = graph_.batch_dimension;
  if (!output.defined() || output.dim() <= batch || !output.sizes().equals(output_gradient.sizes()))
    refuse("the output must have the batch as its dimension " + std::to_string(batch) +
           " and its gradient must have the same shape");
  const bool ascending = std::adjacent_find(unit_starts.begin(), unit_starts.end(),
                                            [](int64_t a, int64_t b) { return a >= b; }) == unit_starts.end();
  if (!unit_starts.empty() && output.size(batch) > 0 &&
      (unit_starts.front() != 0 || !ascending || unit_starts.back() >= output.size(batch)))
    refuse("unit_starts must ascend from 0 and stay below the number of rows");
}

void Clipper::add(const at::Tensor& output, const at::Tensor& output_gradient,
                  const std::vector<int64_t>& unit_starts, const at::Tensor& weights) {
  at::NoGradGuard no_grad;
  check_piece(output, output_gradient, unit_starts);
  const int64_t batch = graph_.batch_dimension;
  if (output.size(batch) == 0) return;
  const int64_t units = unit_starts.empty() ? output.size(batch) : static_cast<int64_t>(unit_starts.size());
  at::Tensor unit_weights;
  if (weights.defined()) {
    if (weights.dim() != 1 || weights.size(0) != units)
      refuse("weights must be one number for each of the " + std::to_string(units) + " units");
    unit_weights = weights.to(at::kDouble).cpu().contiguous();
    for (int64_t unit = 0; unit < units; ++unit) check_weight(unit_weights.data_ptr<double>()[unit]);
    unit_weights = moved_to(unit_weights, parameters_[0].tensor);
  } else {
    check_weight(1);
  }
  ClipPiece piece(parameters_, groups_, clipping_, graph_, output, output_gradient, unit_starts);
  empty_ = false;
  const ClipTally tally = piece.clip(unit_weights);
  units_ += units;
  clipped_.add_(tally.clipped);
  not_finite_.add_(tally.not_finite);
  if (tally.count.defined()) count_.add_(tally.count);
  piece.add_to(sums_);
}

ClipCounts Clipper::counts() const {
  return {units_, clipped_.item<int64_t>(), not_finite_.item<int64_t>()};
}

ClipPlan Clipper::plan(const at::Tensor& output, const at::Tensor& output_gradient,
                       const PlanOptions& options) const {
  at::NoGradGuard no_grad;
  check_piece(output, output_gradient, options.unit_starts);
  if (output.size(graph_.batch_dimension) == 0) refuse("a plan needs a batch of at least 1 row");
  ClipPiece piece(parameters_, groups_, clipping_, graph_, output, output_gradient, options.unit_starts);
  ClipPlan plan = piece.plan();
  if (options.measure) {
    piece.clip({});
    plan.measured_rounding = piece.measured_rounding() / max_grad_norm_;
  }
  return plan;
}

void Clipper::check_weight(double weight) const {
  if (!(weight >= 0 && weight <= clipping_.max_weight))
    refuse("the weight of a unit must be from 0 to clipping.max_weight, " +
           format_number(clipping_.max_weight));
}

void Clipper::add_unit(const std::vector<at::Tensor>& gradient, double weight) {
  at::NoGradGuard no_grad;
  check_weight(weight);
  if (gradient.size() != parameters_.size()) refuse("add_unit needs a gradient for each trained parameter");
  std::vector<at::Tensor> parts;
  for (size_t p = 0; p < gradient.size(); ++p)
    parts.push_back(gradient[p].defined() ? gradient[p].to(at::kDouble) : at::Tensor());
  std::vector<double> factors;
  bool finite = true, clipped = false;
  double norm = 0;
  for (const BoundedGroup& group : groups_) {
    double squared = 0;
    for (size_t p : group.parameters)
      if (parts[p].defined()) squared += parts[p].square().sum().item<double>();
    norm = std::sqrt(squared);
    finite = finite && std::isfinite(norm);
    clipped = clipped || norm > group.max_grad_norm;
    const ClipFactor factor{group.max_grad_norm, clipping_.normalise, clipping_.stability};
    factors.push_back(group.max_grad_norm /
                      factor.divisors(at::scalar_tensor(norm, at::kDouble)).item<double>());
  }
  empty_ = false;
  ++units_;
  if (!finite) {
    not_finite_.add_(1);
    return;
  }
  if (clipped) clipped_.add_(1);
  if (groups_.size() == 1)
    count_.add_(count_parts(at::scalar_tensor(norm, count_.options()), groups_[0].max_grad_norm));
  for (size_t g = 0; g < groups_.size(); ++g)
    for (size_t p : groups_[g].parameters)
      if (parts[p].defined()) sums_[p].doubles().add_(parts[p], factors[g] * weight);
}

double Clipper::sensitivity() const {
  return max_grad_norm_ * clipping_.max_weight * (1 + kMargin);
}

ClippedSum Clipper::take() {
  std::vector<BlockSum> taken = zeros();
  taken.swap(sums_);
  empty_ = true;
  return ClippedSum(std::move(taken), sensitivity(), std::exchange(count_, zero(at::kDouble)));
}

std::vector<at::Tensor> ClippedSum::tensors() const {
  std::vector<at::Tensor> result;
  for (const BlockSum& sum : sums_) result.push_back(sum.total());
  return result;
}

double ClippedSum::count() const {
  return count_.item<double>();
}

void ClippedSum::sum_over(Processes& processes) {
  std::vector<at::Tensor> flat;
  for (const BlockSum& sum : sums_) flat.push_back(sum.total().flatten().cpu());
  flat.push_back(count_.reshape({1}).cpu());
  const at::Tensor values = at::cat(flat);
  processes.sum(values);
  int64_t begin = 0;
  for (BlockSum& sum : sums_) {
    at::Tensor& tensor = sum.doubles();
    tensor.copy_(values.slice(0, begin, begin + tensor.numel()).reshape(tensor.sizes()));
    begin += tensor.numel();
  }
  count_.copy_(values[begin]);
}

}  // namespace discreet
