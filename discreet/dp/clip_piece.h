// One piece of a batch on its way into the clipped sum (clip.h): every unit's norm in each group of
// parameters, the factors that follow from them, and the weighted sum.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "discreet/dp/block_sum.h"
#include "discreet/dp/clip_plan.h"
#include "discreet/dp/clipping.h"
#include "discreet/dp/graph.h"

namespace discreet {

constexpr double kRecomputeAt = 0x1p-12;  // of the clip: a rounding error beyond this goes to double
constexpr int64_t kSamplesInFloat = 256;
// What squares of doubles below 1e-308, which vanish, may hide of the norm of a product: factors of 1e-162
// and 1e154, a million times. Squares of floats do not vanish in double.
constexpr double kHiddenNorm = 1e-6;
constexpr int64_t kKeptDirectly = int64_t{1} << 23;

// What a norm does to a unit's part of a group.
struct ClipFactor {
  double max_grad_norm;
  bool normalise;
  double stability;

  // A unit's part is max_grad_norm / divisor times its gradient, of norm at most max_grad_norm.
  at::Tensor divisors(const at::Tensor& norms) const;
};

// What one piece adds to the owner's counts (clip.h), where the parameters are: nothing is read.
struct ClipTally {
  at::Tensor clipped, not_finite;  // int64 []
  at::Tensor count;                // double []: of adaptive_clip.h, where there is one group
};

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
  at::Tensor gradient(const at::Tensor& parameter, int64_t begin, int64_t end) const;
};

class ClipPiece {
 public:
  // What Clipper::add is given, and how a unit is bounded in each group.
  ClipPiece(const std::vector<TrainedParameter>& parameters, std::vector<BoundedGroup> groups,
            const Clipping& clipping, const GraphOptions& graph, const at::Tensor& output,
            const at::Tensor& output_gradient, const std::vector<int64_t>& unit_starts);

  // The units' factors, times their weights (double [units] where the parameters are; undefined: all are 1);
  // 0 in every group where a gradient is not finite, which adds nothing to the tally's count either.
  ClipTally clip(const at::Tensor& weights);
  void add_to(std::vector<BlockSum>& sums);

  // What clip() and add_to() do, as far as sizes tell (clip_plan.cc).
  ClipPlan plan();
  // After clip(): how far add_to() is from the same sum in double, one unit at a time; the L2 norm.
  double measured_rounding();

 private:
  // How the squared norms of a parameter's gradients come about.
  enum class Way {
    kApart,     // one view, or several of which no two overlap: their squared norms add up
    kTogether,  // from the factors of all views of one matrix
    kDirect,    // from the gradients, one unit at a time
  };
  struct Uses {
    std::vector<ViewUse> views;  // of different parts of the parameter, or more than one way to see it
    std::vector<const FunctionUse*> functions;
    std::vector<Factors> factors;  // kTogether
    Way way = Way::kApart;
    std::optional<SquaredNorms> norms;  // of the only use, from when the gradient passed it
  };
  struct Group {
    std::vector<size_t> parameters;
    ClipFactor factor;
    bool of_doubles = false;
    at::Tensor squared = {}, norms = {}, factors = {};  // double [units]
    std::vector<int64_t> direct = {};                   // units computed directly for every parameter
  };
  struct NormErrors {
    at::Tensor of_norm, of_square;  // double [units]: bounds that count together (SquaredNorms)
  };

  // As it stands in the graph; `joined`: its gradients were added to those of a use before it.
  struct UseOf {
    const UseNode* node;
    const ParameterUse* use;
    Gradients* gradients;
    bool joined;
  };

  void add_use(const UseNode& node, const ParameterUse& use, std::unique_ptr<Gradients> gradients);
  // Norms of parameters of one use are taken while the gradient that they are read from is near. They are
  // those of what add_to() sums, because nothing writes into a gradient meanwhile: libtorch's own operations
  // never do, and hooks and custom functions on the way are refused (find_uses).
  void flow_back_to_uses(const at::Tensor& output, const at::Tensor& output_gradient);
  void choose_way(Uses& uses, const at::Tensor& parameter);
  void take_norms(Group& group);
  void add_fast_norms(size_t parameter, at::Tensor squared, NormErrors& errors);
  at::Tensor by_unit(const at::Tensor& x) const;  // [rows] -> [units], of their first rows
  void choose_direct(Group& group, const NormErrors& errors);
  void raise_norms(Group& group, const NormErrors& errors);
  std::vector<int64_t> direct_units(const Group& group, size_t parameter) const;
  at::Tensor direct_gradient(size_t parameter, int64_t unit);
  void add_weighted(size_t parameter, const at::Tensor& weights, BlockSum& sum);

  const std::vector<TrainedParameter>& parameters_;
  int64_t rows_, units_;
  NormWay norm_way_;
  std::vector<int64_t> starts_;  // one more than units
  at::Tensor first_rows_;        // [units], where the parameters are; undefined: each row is a unit
  std::vector<UseNode> nodes_;
  std::vector<UseOf> all_uses_;
  std::deque<FunctionUse> functions_;
  std::vector<Uses> uses_;  // by parameter
  std::vector<Group> groups_;
  std::map<std::pair<size_t, int64_t>, at::Tensor> kept_;  // direct gradients, by parameter and unit
  int64_t kept_numbers_ = 0;
};

}  // namespace discreet
