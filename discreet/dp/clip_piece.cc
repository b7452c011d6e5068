#include "discreet/dp/clip_piece.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "discreet/base/error.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/flow_back.h"
#include "discreet/dp/full_precision.h"
#include "discreet/dp/on_device.h"
#include "discreet/dp/rules/factors.h"

namespace discreet {
namespace {

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

// sum += gradient * factor, a number of a tensor; where it is 0 nothing, whatever the gradient holds.
void add_scaled(at::Tensor& sum, const at::Tensor& gradient, const at::Tensor& factor) {
  if (is_on_device(sum)) {
    sum.add_((gradient * factor).masked_fill_(factor == 0, 0));
  } else if (const double number = factor.item<double>(); number != 0) {
    sum.add_(gradient, number);
  }
}

// sum += numbers, both double [units]. Many times a step, and on the processor libtorch takes longer to look
// at such a sum than to make it.
void add_numbers(at::Tensor& sum, const at::Tensor& numbers) {
  const bool plain = numbers.is_cpu() && numbers.scalar_type() == at::kDouble && numbers.is_contiguous();
  if (is_on_device(sum) || !plain || !numbers.sizes().equals(sum.sizes())) {
    sum.add_(numbers);
    return;
  }
  auto* to = sum.data_ptr<double>();
  const auto* from = numbers.data_ptr<double>();
  for (int64_t i = 0; i < sum.numel(); ++i) to[i] += from[i];
}

// x[i] = value at these places.
void fill(at::Tensor& x, const std::vector<int64_t>& places, double value) {
  if (!places.empty()) x.index_fill_(0, moved_to(at::tensor(places, at::kLong), x), value);
}

// The power of two below the largest absolute value, 1 where that is 0 or not finite. [], of x's type.
at::Tensor scale_of(const at::Tensor& x) {
  const at::Tensor largest = x.abs().max();
  return at::where(largest.isfinite() & (largest > 0), largest.log2().floor_().exp2_(),
                   at::ones_like(largest));
}

}  // namespace

at::Tensor ClipFactor::divisors(const at::Tensor& norms) const {
  return normalise ? norms + stability : norms.clamp_min(max_grad_norm);
}

at::Tensor FunctionUse::gradient(const at::Tensor& parameter, int64_t begin, int64_t end) const {
  at::Tensor entering = gradients->gradient(begin, end);
  // In the model's precision the numbers may be out of range: brought near 1 and back by a power of two.
  const at::Tensor none = (entering == 0).all(), scale = scale_of(entering);
  if (!is_on_device(none) && none.item<bool>()) return at::zeros(parameter.sizes(), entering.options());
  entering = (entering / scale).to(libtorch::type_of(use->from));
  const at::Tensor part = libtorch::gradient_of_parameter(use->from, entering, parameter);
  if (!part.defined()) return at::zeros(parameter.sizes(), parameter.options().dtype(at::kDouble));
  return (part.to(at::kDouble) * scale).masked_fill_(none, 0);
}

ClipPiece::ClipPiece(const std::vector<TrainedParameter>& parameters, std::vector<BoundedGroup> groups,
                     const Clipping& clipping, const GraphOptions& graph, const at::Tensor& output,
                     const at::Tensor& output_gradient, const std::vector<int64_t>& unit_starts)
    : parameters_(parameters),
      rows_(output.size(graph.batch_dimension)),
      norm_way_(graph.norm_way),
      starts_(unit_starts) {
  if (starts_.empty())
    for (int64_t row = 0; row < rows_; ++row) starts_.push_back(row);
  units_ = static_cast<int64_t>(starts_.size());
  starts_.push_back(rows_);
  if (units_ != rows_)
    first_rows_ = moved_to(at::tensor(starts_, at::kLong).slice(0, 0, units_), parameters[0].tensor);
  for (BoundedGroup& group : groups)
    groups_.push_back(
        {std::move(group.parameters), {group.max_grad_norm, clipping.normalise, clipping.stability}});
  for (Group& group : groups_)
    group.of_doubles = std::any_of(group.parameters.begin(), group.parameters.end(), [&](size_t p) {
      return parameters[p].tensor.scalar_type() == at::kDouble;
    });
  nodes_ = find_uses(output, parameters, graph);
  uses_.resize(parameters.size());
  flow_back_to_uses(output, output_gradient);
  for (const FunctionUse& function : functions_)
    for (size_t p : function.use->parameters) uses_[p].functions.push_back(&function);
  for (size_t p = 0; p < uses_.size(); ++p) choose_way(uses_[p], parameters[p].tensor.detach());
}

void ClipPiece::flow_back_to_uses(const at::Tensor& output, const at::Tensor& output_gradient) {
  std::vector<int64_t> counts(uses_.size(), 0);
  for (const UseNode& node : nodes_)
    for (const ParameterUse& use : node.uses)
      for (size_t p : use.parameters) ++counts[p];
  const auto use_taken = [&](const ParameterUse& use, Gradients& gradients) {
    const FullPrecision exact(parameters_[0].tensor.device());
    gradients.choose(norm_way_);
    const size_t p = use.parameters[0];
    if (use.is_view && counts[p] == 1) uses_[p].norms = gradients.squared_norms();
  };
  auto gradients = flow_back(nodes_, output, output_gradient, use_taken);
  for (size_t i = 0; i < nodes_.size(); ++i)
    for (size_t use = 0; use < gradients[i].size(); ++use)
      add_use(nodes_[i], nodes_[i].uses[use], std::move(gradients[i][use]));
}

void ClipPiece::add_use(const UseNode& node, const ParameterUse& use, std::unique_ptr<Gradients> gradients) {
  all_uses_.push_back({&node, &use, gradients.get(), /*joined=*/false});
  if (!use.is_view) {
    functions_.push_back({std::move(gradients), &use});
    return;
  }
  std::vector<ViewUse>& views = uses_[use.parameters[0]].views;
  for (ViewUse& known : views)
    if (known.use->steps == use.steps && known.gradients->absorb(*gradients)) {
      all_uses_.back() = {&node, &use, known.gradients.get(), /*joined=*/true};
      return;
    }
  views.push_back({std::move(gradients), &use});
}

void ClipPiece::choose_way(Uses& uses, const at::Tensor& parameter) {
  uses.way = Way::kDirect;
  if (!uses.functions.empty()) return;
  if (uses.views.size() == 1 || are_apart(uses.views, parameter)) {
    uses.way = Way::kApart;
    return;
  }
  if (parameter.dim() != 2 || norm_way_ == NormWay::kDirect) return;
  const ViewStep transposition{ViewStep::Kind::kTranspose, {0, 1}};
  for (const ViewUse& view : uses.views) {
    const std::vector<ViewStep>& steps = view.use->steps;
    const bool turned = steps.size() == 1 && steps[0] == transposition;
    std::optional<Factors> factors;
    if (turned || steps.empty()) factors = view.gradients->factors();
    if (factors && turned) factors = transposed(*factors);
    if (!factors) return;
    uses.factors.push_back(std::move(*factors));
  }
  uses.way = Way::kTogether;
}

ClipTally ClipPiece::clip(const at::Tensor& weights) {
  const FullPrecision exact(parameters_[0].tensor.device());
  at::Tensor finite, clipped;
  for (Group& group : groups_) {
    take_norms(group);
    const at::Tensor known = group.norms <= std::numeric_limits<double>::max(),  // false where it is NaN
        above = group.norms > group.factor.max_grad_norm;
    finite = finite.defined() ? finite & known : known;
    clipped = clipped.defined() ? clipped | above : above;
  }
  const at::Tensor not_finite = finite.logical_not();
  for (Group& group : groups_) {
    group.factors = group.factor.divisors(group.norms).reciprocal_().mul_(group.factor.max_grad_norm);
    if (weights.defined()) group.factors.mul_(weights);
    group.factors.masked_fill_(not_finite, 0);
  }
  ClipTally tally{(clipped & finite).sum(), not_finite.sum(), {}};
  if (groups_.size() == 1) {
    const at::Tensor parts = count_parts(groups_[0].norms, groups_[0].factor.max_grad_norm);
    tally.count = parts.masked_fill(not_finite, 0).sum();
  }
  return tally;
}

void ClipPiece::take_norms(Group& group) {
  const auto zeros = [&] {
    return at::zeros({units_}, parameters_[0].tensor.options().dtype(at::kDouble).requires_grad(false));
  };
  group.squared = zeros();
  NormErrors errors{zeros(), zeros()};
  for (size_t p : group.parameters)
    if (uses_[p].way != Way::kDirect) add_fast_norms(p, group.squared, errors);
  is_on_device(group.squared) ? raise_norms(group, errors) : choose_direct(group, errors);
  for (size_t p : group.parameters)
    for (int64_t unit : direct_units(group, p))
      group.squared[unit].add_(direct_gradient(p, unit).square().sum());
  group.norms = group.squared.sqrt();
}

// Units whose norm cannot come from per-row norms: several rows, or rounding that matters.
void ClipPiece::choose_direct(Group& group, const NormErrors& errors) {
  const at::Tensor divisors = group.factor.divisors(group.squared.sqrt());
  auto* squared = group.squared.data_ptr<double>();
  const auto *of_norm = errors.of_norm.data_ptr<double>(), *of_square = errors.of_square.data_ptr<double>();
  for (int64_t unit = 0; unit < units_; ++unit) {
    const double divisor = divisors.data_ptr<double>()[unit];
    // Of the norm of these parameters; with what others add to the square it is less.
    const double rise = std::sqrt(squared[unit] + of_square[unit]) - std::sqrt(squared[unit]);
    const double hidden = group.of_doubles ? kHiddenNorm : 0;
    const bool rounded =
        !std::isfinite(squared[unit]) || !(rise + of_norm[unit] + hidden <= kRecomputeAt * divisor);
    if (starts_[unit + 1] - starts_[unit] != 1 || rounded) {
      group.direct.push_back(unit);
      squared[unit] = 0;
    }
  }
}

// What choose_direct() does, where no number is read. Only units of several rows are computed directly.
// Another whose rounding matters is bounded with it instead: its norm is taken for as large as it can be, and
// larger by what may be wrong in its part of the sum, so that the part has norm at most max_grad_norm. In a
// model of doubles every norm below kHiddenNorm over kRecomputeAt is such a one, if the clip is as small.
void ClipPiece::raise_norms(Group& group, const NormErrors& errors) {
  const double hidden = group.of_doubles ? kHiddenNorm : 0;
  const at::Tensor norms = group.squared.sqrt(), largest = (group.squared + errors.of_square).sqrt_();
  const at::Tensor rounding = largest - norms + errors.of_norm + hidden;
  const at::Tensor small = rounding <= group.factor.divisors(norms) * kRecomputeAt;  // not where it is NaN
  const at::Tensor raised = (largest + errors.of_norm * 2 + hidden * 2).square_();
  group.squared = at::where(small, group.squared, raised);
  for (int64_t unit = 0; unit < units_; ++unit)
    if (starts_[unit + 1] - starts_[unit] != 1) group.direct.push_back(unit);
  fill(group.squared, group.direct, 0);
}

void ClipPiece::add_to(std::vector<BlockSum>& sums) {
  const FullPrecision exact(parameters_[0].tensor.device());
  for (const Group& group : groups_) {
    at::Tensor weights = group.factors.clone();
    fill(weights, group.direct, 0);
    if (units_ != rows_) weights = at::zeros({rows_}, weights.options()).index_copy_(0, first_rows_, weights);
    for (size_t p : group.parameters) {
      if (uses_[p].way != Way::kDirect && static_cast<int64_t>(group.direct.size()) < units_)
        add_weighted(p, weights, sums[p]);
      for (int64_t unit : direct_units(group, p))
        add_scaled(sums[p].doubles(), direct_gradient(p, unit), group.factors[unit]);
    }
  }
}

void ClipPiece::add_weighted(size_t parameter, const at::Tensor& weights, BlockSum& sum) {
  const std::vector<ViewUse>& views = uses_[parameter].views;
  for (int64_t begin = 0; begin < rows_; begin += kSamplesInFloat) {
    const int64_t end = std::min(begin + kSamplesInFloat, rows_);
    if (views.size() == 1) {  // one product may be all
      const at::Tensor block = sum.new_block();
      const at::Tensor part = block.defined() ? views[0].use->view(block) : block;
      if (block.defined() && part.numel() == block.numel() &&
          views[0].gradients->write_weighted(weights, begin, end, part)) {
        sum.add_block(block);
        continue;
      }
    }
    for (const ViewUse& view : views)
      view.gradients->add_weighted(weights, begin, end, view.use->view(sum.doubles()));
  }
}

// Units whose gradient of this parameter is computed directly: all of them where its uses overlap.
std::vector<int64_t> ClipPiece::direct_units(const Group& group, size_t parameter) const {
  if (uses_[parameter].way != Way::kDirect) return group.direct;
  std::vector<int64_t> all(units_);
  for (int64_t unit = 0; unit < units_; ++unit) all[unit] = unit;
  return all;
}

at::Tensor ClipPiece::by_unit(const at::Tensor& x) const {
  return units_ == rows_ ? x : x.index_select(0, first_rows_);
}

void ClipPiece::add_fast_norms(size_t parameter, at::Tensor squared, NormErrors& errors) {
  const auto add = [&](const SquaredNorms& norms) {
    add_numbers(squared, by_unit(norms.squared));
    if (norms.error.defined()) add_numbers(errors.of_norm, by_unit(norms.error));
    if (norms.squared_error.defined()) add_numbers(errors.of_square, by_unit(norms.squared_error));
  };
  const Uses& uses = uses_[parameter];
  if (uses.norms) {
    add(*uses.norms);
  } else if (uses.way == Way::kTogether) {
    add(squared_norms_of_sum(uses.factors));
  } else {
    for (const ViewUse& view : uses.views) add(view.gradients->squared_norms());
  }
}

// Double, in the parameter's shape: the unit's summed gradient over all uses. Kept while there is room.
at::Tensor ClipPiece::direct_gradient(size_t parameter, int64_t unit) {
  const auto found = kept_.find({parameter, unit});
  if (found != kept_.end()) return found->second;
  const at::Tensor& tensor = parameters_[parameter].tensor;
  const int64_t begin = starts_[unit], end = starts_[unit + 1];
  at::Tensor gradient = at::zeros(tensor.sizes(), tensor.options().dtype(at::kDouble).requires_grad(false));
  for (const ViewUse& view : uses_[parameter].views)
    view.use->view(gradient).add_(view.gradients->gradient(begin, end));
  for (const FunctionUse* function : uses_[parameter].functions)
    gradient.add_(function->gradient(tensor, begin, end));
  if (kept_numbers_ + gradient.numel() <= kKeptDirectly) {
    kept_numbers_ += gradient.numel();
    kept_[{parameter, unit}] = gradient;
  }
  return gradient;
}

}  // namespace discreet
