#include "discreet/dp/clip.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/clip_piece.h"
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
  for (size_t p = 0; p < parameters_.size(); ++p) buffers_.push_back(std::make_shared<GradientBuffers>());
  sums_ = zeros();
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
  std::vector<double> unit_weights(units, 1.0);
  if (weights.defined()) {
    if (weights.dim() != 1 || weights.size(0) != units)
      refuse("weights must be one number for each of the " + std::to_string(units) + " units");
    const at::Tensor numbers = weights.to(at::kDouble).cpu().contiguous();
    std::copy_n(numbers.data_ptr<double>(), units, unit_weights.begin());
  }
  for (const double weight : unit_weights) check_weight(weight);
  ClipPiece piece(parameters_, groups_, clipping_, graph_, output, output_gradient, unit_starts);
  empty_ = false;
  piece.clip(unit_weights, &counts_, &count_);
  piece.add_to(sums_);
}

ClipPlan Clipper::plan(const at::Tensor& output, const at::Tensor& output_gradient,
                       const PlanOptions& options) const {
  at::NoGradGuard no_grad;
  check_piece(output, output_gradient, options.unit_starts);
  if (output.size(graph_.batch_dimension) == 0) refuse("a plan needs a batch of at least 1 row");
  ClipPiece piece(parameters_, groups_, clipping_, graph_, output, output_gradient, options.unit_starts);
  ClipPlan plan = piece.plan();
  if (options.measure) {
    ClipCounts counts;
    double count = 0;
    piece.clip(std::vector<double>(plan.units, 1.0), &counts, &count);
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
    factors.push_back(
        group.max_grad_norm /
        ClipFactor{group.max_grad_norm, clipping_.normalise, clipping_.stability}.divisor(norm));
  }
  empty_ = false;
  ++counts_.units;
  if (!finite) {
    ++counts_.not_finite;
    return;
  }
  if (clipped) ++counts_.clipped;
  if (groups_.size() == 1) count_ += count_part(norm, groups_[0].max_grad_norm);
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
  return ClippedSum(std::move(taken), sensitivity(), std::exchange(count_, 0.0));
}

std::vector<at::Tensor> ClippedSum::tensors() const {
  std::vector<at::Tensor> result;
  for (const BlockSum& sum : sums_) result.push_back(sum.total());
  return result;
}

void ClippedSum::sum_over(Processes& processes) {
  std::vector<at::Tensor> flat;
  for (const BlockSum& sum : sums_) flat.push_back(sum.total().flatten().cpu());
  flat.push_back(torch::tensor({count_}, at::kDouble));
  const at::Tensor values = at::cat(flat);
  processes.sum(values);
  int64_t begin = 0;
  for (BlockSum& sum : sums_) {
    at::Tensor& tensor = sum.doubles();
    tensor.copy_(values.slice(0, begin, begin + tensor.numel()).reshape(tensor.sizes()));
    begin += tensor.numel();
  }
  count_ = values[begin].item<double>();
}

}  // namespace discreet
