// How a unit's gradient is bounded: as a whole, or the parameters in groups, each with a norm of its own.
//
// A unit adds to the sum, for each group, its gradient's part for the group times
//   max_grad_norm / max(norm, max_grad_norm), or, where gradients are normalised,
//   max_grad_norm / (norm + stability)    ("automatic clipping", AUTO-S; Bu, Wang, Zha, Karypis 2023),
// so at most max_grad_norm of the group in norm, and of all groups at most the square root of the sum of
// their squares. That is the sensitivity by which noise is calibrated, the same on every coordinate.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace discreet {

struct ClipGroup {
  std::string prefix;  // of the parameters' names: "encoder." or "head.weight"; the longest that fits counts
  double max_grad_norm;  // 1e-30 to 1e30
};

struct Clipping {
  enum class Style {
    kFlat,      // one norm over all parameters
    kPerLayer,  // the parameters of each module: of L modules each has max_grad_norm / sqrt(L)
    kPerGroup,  // `groups`; together they have max_grad_norm
  };
  Style style = Style::kFlat;
  std::vector<ClipGroup> groups = {};  // with kPerGroup
  bool normalise = false;
  double stability = 0.01;  // with normalise: above 0, finite
  // A unit may count more or less than others (PrivacyEngine::weigh): after the clip it is multiplied by its
  // weight, at most this, and the sensitivity by this. Above 0, finite.
  double max_weight = 1;
};

// The parameters' indices and the bound of one group.
struct BoundedGroup {
  std::vector<size_t> parameters;
  double max_grad_norm;
};

// Every parameter is in exactly one group. max_grad_norm: of all groups together. kInvalidArgument, naming
// the field: a number out of range, a parameter without a group, a group without a parameter, groups whose
// norms together are not max_grad_norm.
std::vector<BoundedGroup> bounded_groups(const Clipping& clipping, const std::vector<std::string>& parameters,
                                         double max_grad_norm);

}  // namespace discreet
