#include "discreet/dp/clipping.h"

#include <cmath>
#include <map>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

namespace discreet {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kInvalidArgument, message);
}

bool positive(double value) {
  return value > 0 && std::isfinite(value);
}

// Clipped gradients stay within floats, and their squares within doubles.
constexpr double kLeastNorm = 1e-30, kLargestNorm = 1e30;
// A sample's factor, with its weight, stays within a float.
constexpr double kLargestFactor = 1e30;

std::string module_of(const std::string& parameter) {
  const size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

std::vector<BoundedGroup> by_layer(const std::vector<std::string>& parameters, double max_grad_norm) {
  std::map<std::string, size_t> group_of;
  std::vector<BoundedGroup> groups;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto [found, added] = group_of.try_emplace(module_of(parameters[i]), groups.size());
    if (added) groups.push_back({});
    groups[found->second].parameters.push_back(i);
  }
  for (BoundedGroup& group : groups)
    group.max_grad_norm = max_grad_norm / std::sqrt(static_cast<double>(groups.size()));
  return groups;
}

std::vector<BoundedGroup> by_prefix(const std::vector<ClipGroup>& wanted,
                                    const std::vector<std::string>& parameters, double max_grad_norm) {
  std::vector<BoundedGroup> groups;
  double squares = 0;
  for (const ClipGroup& group : wanted) {
    if (!positive(group.max_grad_norm) || group.max_grad_norm < kLeastNorm)
      refuse("clipping.groups: max_grad_norm of '" + group.prefix +
             "' must be a finite number above 0, at least 1e-30");
    squares += group.max_grad_norm * group.max_grad_norm;
    groups.push_back({{}, group.max_grad_norm});
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    size_t best = wanted.size();
    for (size_t g = 0; g < wanted.size(); ++g)
      if (parameters[i].rfind(wanted[g].prefix, 0) == 0 &&
          (best == wanted.size() || wanted[g].prefix.size() > wanted[best].prefix.size()))
        best = g;
    if (best == wanted.size()) refuse("clipping.groups: no prefix fits parameter '" + parameters[i] + "'");
    groups[best].parameters.push_back(i);
  }
  for (size_t g = 0; g < groups.size(); ++g)
    if (groups[g].parameters.empty())
      refuse("clipping.groups: '" + wanted[g].prefix +
             "' fits no parameter that another does not fit better");
  if (std::abs(std::sqrt(squares) - max_grad_norm) > 1e-9 * max_grad_norm)
    refuse("clipping.groups: the groups' norms are together " + format_number(std::sqrt(squares)) +
           " (the square root of the sum of their squares); max_grad_norm must be the same");
  return groups;
}

}  // namespace

std::vector<BoundedGroup> bounded_groups(const Clipping& clipping, const std::vector<std::string>& parameters,
                                         double max_grad_norm) {
  if (!positive(max_grad_norm)) refuse("max_grad_norm must be a finite number above 0");
  if (max_grad_norm < kLeastNorm || max_grad_norm > kLargestNorm)
    refuse("max_grad_norm must be from 1e-30 to 1e30");
  if (!positive(clipping.max_weight)) refuse("clipping.max_weight must be a finite number above 0");
  if (clipping.max_weight > kLargestFactor) refuse("clipping.max_weight must be at most 1e30");
  if (clipping.normalise && !positive(clipping.stability))
    refuse("clipping.stability must be a finite number above 0");
  if (clipping.normalise && clipping.max_weight * (max_grad_norm / clipping.stability) > kLargestFactor)
    refuse("clipping.stability must not be below max_weight * max_grad_norm / 1e30");
  if (!clipping.groups.empty() && clipping.style != Clipping::Style::kPerGroup)
    refuse("clipping.groups goes with Clipping::Style::kPerGroup");
  switch (clipping.style) {
    case Clipping::Style::kFlat: {
      BoundedGroup all{{}, max_grad_norm};
      for (size_t i = 0; i < parameters.size(); ++i) all.parameters.push_back(i);
      return {all};
    }
    case Clipping::Style::kPerLayer: return by_layer(parameters, max_grad_norm);
    case Clipping::Style::kPerGroup: return by_prefix(clipping.groups, parameters, max_grad_norm);
  }
  refuse("clipping.style must be kFlat, kPerLayer or kPerGroup");
}

}  // namespace discreet
