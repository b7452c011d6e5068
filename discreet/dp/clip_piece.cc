#include "discreet/dp/clip_piece.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/dp/adaptive_clip.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/flow_back.h"
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

double squared_norm(const at::Tensor& gradient) {
  return gradient.square().sum().item<double>();
}

}  // namespace

double ClipFactor::divisor(double norm) const {
  return normalise ? norm + stability : std::max(norm, max_grad_norm);
}

at::Tensor FunctionUse::gradient(const at::Tensor& parameter, int64_t begin, int64_t end) const {
  at::Tensor entering = gradients->gradient(begin, end);
  // In the model's precision the numbers may be out of range: brought near 1 and back by a power of two.
  const double largest = entering.abs().max().item<double>();
  if (largest == 0) return at::zeros(parameter.sizes(), entering.options());
  const double scale = std::isfinite(largest) ? std::exp2(std::floor(std::log2(largest))) : 1;
  entering = (entering / scale).to(libtorch::type_of(use->from));
  const at::Tensor part = libtorch::gradient_of_parameter(use->from, entering, parameter);
  if (!part.defined()) return at::zeros(parameter.sizes(), parameter.options().dtype(at::kDouble));
  return part.to(at::kDouble) * scale;
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

void ClipPiece::clip(const std::vector<double>& weights, ClipCounts* counts, double* count) {
  for (Group& group : groups_) take_norms(group);
  for (int64_t unit = 0; unit < units_; ++unit) {
    const bool finite = std::all_of(groups_.begin(), groups_.end(), [&](const Group& group) {
      return std::isfinite(std::sqrt(group.squared[unit]));
    });
    bool clipped = false;
    ++counts->units;
    if (!finite) {
      ++counts->not_finite;
    } else {
      for (Group& group : groups_) {
        const double norm = std::sqrt(group.squared[unit]);
        group.factors[unit] = weights[unit] * (group.factor.max_grad_norm / group.factor.divisor(norm));
        clipped = clipped || norm > group.factor.max_grad_norm;
        if (groups_.size() == 1) *count += count_part(norm, group.factor.max_grad_norm);
      }
    }
    if (clipped) ++counts->clipped;
  }
}

void ClipPiece::take_norms(Group& group) {
  group.squared.assign(units_, 0.0);
  group.factors.assign(units_, 0.0);
  std::vector<NormError> errors(units_);
  for (size_t p : group.parameters)
    if (uses_[p].way != Way::kDirect) add_fast_norms(p, &group.squared, &errors);
  // Units whose norm cannot come from per-row norms: several rows, or rounding that matters.
  for (int64_t unit = 0; unit < units_; ++unit) {
    double& squared = group.squared[unit];
    const NormError& error = errors[unit];
    const double divisor = group.factor.divisor(std::sqrt(squared));
    // Of the norm of these parameters; with what others add to the square it is less.
    const double rise = std::sqrt(squared + error.of_square) - std::sqrt(squared);
    const double hidden = group.of_doubles ? kHiddenNorm : 0;
    const bool rounded =
        !std::isfinite(squared) || !(rise + error.of_norm + hidden <= kRecomputeAt * divisor);
    if (starts_[unit + 1] - starts_[unit] != 1 || rounded) {
      group.direct.push_back(unit);
      squared = 0;
    }
  }
  for (size_t p : group.parameters)
    for (int64_t unit : direct_units(group, p)) group.squared[unit] += squared_norm(direct_gradient(p, unit));
}

void ClipPiece::add_to(std::vector<BlockSum>& sums) {
  for (const Group& group : groups_) {
    std::vector<double> row_weights(rows_, 0.0);
    for (int64_t unit = 0; unit < units_; ++unit)
      if (starts_[unit + 1] - starts_[unit] == 1) row_weights[starts_[unit]] = group.factors[unit];
    for (int64_t unit : group.direct) row_weights[starts_[unit]] = 0;
    const at::Tensor weights = at::tensor(row_weights, at::kDouble).to(parameters_[0].tensor.device());
    for (size_t p : group.parameters) {
      if (uses_[p].way != Way::kDirect && static_cast<int64_t>(group.direct.size()) < units_)
        add_weighted(p, weights, sums[p]);
      for (int64_t unit : direct_units(group, p))
        if (group.factors[unit] != 0) sums[p].doubles().add_(direct_gradient(p, unit), group.factors[unit]);
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

void ClipPiece::add_fast_norms(size_t parameter, std::vector<double>* squared,
                               std::vector<NormError>* errors) {
  const auto add = [&](const SquaredNorms& norms) {
    const at::Tensor part = norms.squared.cpu().contiguous();
    const auto known = [](const at::Tensor& error) {
      return error.defined() ? error.cpu().contiguous() : error;
    };
    const at::Tensor of_norm = known(norms.error), of_square = known(norms.squared_error);
    for (int64_t unit = 0; unit < units_; ++unit) {
      const int64_t row = starts_[unit];
      (*squared)[unit] += part.data_ptr<double>()[row];
      if (of_norm.defined()) (*errors)[unit].of_norm += of_norm.data_ptr<double>()[row];
      if (of_square.defined()) (*errors)[unit].of_square += of_square.data_ptr<double>()[row];
    }
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
