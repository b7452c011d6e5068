#include "discreet/dp/graph.h"

#include <algorithm>
#include <unordered_map>

#include "discreet/base/error.h"
#include "discreet/dp/operations.h"
#include "discreet/dp/rules/list.h"

namespace discreet {
namespace {

using namespace libtorch;

[[noreturn]] void unsupported(const std::string& message) {
  throw Error(ErrorKind::kUnsupported, message);
}

// The step of an operation that only transposes or reshapes; false for any other.
bool alias_step(Node& node, AliasStep* step) {
  const std::string name = node.name();
  if (name == "TBackward0") {
    *step = {0, 1, {}};
    return output_shape(node).size() == 2;
  }
  if (auto* transpose = dynamic_cast<saved::TransposeBackward0*>(&node)) {
    *step = {transpose->dim0, transpose->dim1, {}};
    return true;
  }
  if (name == "ViewBackward0" || name == "UnsafeViewBackward0" || name == "ReshapeAliasBackward0" ||
      name == "UnsqueezeBackward0" || name == "AliasBackward0" || name.rfind("SqueezeBackward", 0) == 0) {
    *step = {0, 0, output_shape(node)};
    return true;
  }
  return false;
}

class Search {
 public:
  Search(const at::Tensor& output, const std::vector<TrainedParameter>& parameters)
      : samples_(output.size(0)), parameters_(parameters) {
    for (size_t i = 0; i < parameters.size(); ++i) index_[parameters[i].tensor.unsafeGetTensorImpl()] = i;
    order_nodes(output.grad_fn());
  }

  std::vector<UseNode> uses(const at::Tensor& output) {
    std::vector<bool> used(parameters_.size(), false);
    std::vector<UseNode> result;
    ParameterUse use;
    if (resolve(Edge(output.grad_fn(), output.output_nr()), &use))
      unsupported("parameter '" + parameters_[use.parameter].name + "' is itself the output of the model");
    for (const auto& node : order_) {
      UseNode found{node, nullptr, {}};
      for (uint32_t input = 0; input < node->num_outputs(); ++input) {
        const Edge& edge = node->next_edge(input);
        if (!edge.is_valid() || first_parameter(edge.function.get()) < 0) continue;
        if (inside_alias_.count(node.get())) continue;
        if (resolve(edge, &use)) {
          use.input = input;
          cover(*node, use, &found);
          used[use.parameter] = true;
        } else if (const std::string reason = mixing_reason(*node, input, samples_); !reason.empty()) {
          unsupported("parameter '" + parameters_[first_parameter(edge.function.get())].name +
                      "' reaches the output through '" + node->name() + "', which " + reason);
        }
      }
      if (!found.uses.empty()) result.push_back(std::move(found));
    }
    for (size_t i = 0; i < used.size(); ++i)
      if (!used[i])
        unsupported("parameter '" + parameters_[i].name +
                    "' is trained but the watched output does not depend on it: freeze it "
                    "(requires_grad_(false)) or use it");
    return result;
  }

 private:
  // All nodes behind `root`, each before those that its inputs come from, with the parameters they lead to.
  void order_nodes(const std::shared_ptr<Node>& root) {
    std::vector<std::pair<std::shared_ptr<Node>, uint32_t>> stack{{root, 0}};
    leads_[root.get()] = -1;
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == 0) {
        if (auto* leaf = dynamic_cast<AccumulateGrad*>(node.get())) {
          const auto found = index_.find(leaf->variable.unsafeGetTensorImpl());
          if (found != index_.end()) leads_[node.get()] = static_cast<int64_t>(found->second);
        }
      }
      if (next < node->num_outputs()) {
        const Edge& edge = node->next_edge(next++);
        if (edge.is_valid() && leads_.try_emplace(edge.function.get(), -1).second)
          stack.emplace_back(edge.function, 0);
      } else {
        for (const Edge& edge : node->next_edges())
          if (edge.is_valid() && leads_[node.get()] < 0) leads_[node.get()] = leads_[edge.function.get()];
        order_.push_back(node);
        stack.pop_back();
      }
    }
    std::reverse(order_.begin(), order_.end());
    // Nodes that only reshape a parameter are part of its use, not of the data's way.
    for (const auto& node : order_) {
      ParameterUse use;
      if (resolve(Edge(node, 0), &use)) inside_alias_[node.get()] = true;
    }
  }

  int64_t first_parameter(Node* node) const { return leads_.at(node); }

  // Whether this edge comes from a trained parameter through nothing but transpositions and reshapings.
  bool resolve(Edge edge, ParameterUse* use) const {
    std::vector<AliasStep> steps;
    for (Node* node = edge.function.get(); node != nullptr;) {
      if (auto* leaf = dynamic_cast<AccumulateGrad*>(node)) {
        const auto found = index_.find(leaf->variable.unsafeGetTensorImpl());
        if (found == index_.end()) return false;
        *use = {found->second, 0, {steps.rbegin(), steps.rend()}};
        return true;
      }
      AliasStep step;
      if (!alias_step(*node, &step)) return false;
      steps.push_back(std::move(step));
      node = node->next_edge(0).function.get();
    }
    return false;
  }

  void cover(Node& node, const ParameterUse& use, UseNode* found) const {
    const std::string who =
        "parameter '" + parameters_[use.parameter].name + "' is used by '" + node.name() + "'";
    found->rule = find_rule(node.name());
    if (found->rule == nullptr) {
      std::string names;
      for (const Rule& rule : clip_rules()) names += (names.empty() ? "" : ", ") + std::string(rule.name);
      unsupported(who + ", for which there is no clip rule; rules exist for: " + names);
    }
    const Shape out = output_shape(node);
    if (out.empty() || out[0] % samples_ != 0)
      unsupported(who + ", whose result's first dimension is not the batch of " + std::to_string(samples_));
    if (const std::string reason = found->rule->refusal(node, use.input, samples_); !reason.empty())
      unsupported(who + ", which the clip rule '" + found->rule->name + "' refuses: " + reason);
    found->uses.push_back(use);
  }

  int64_t samples_;
  const std::vector<TrainedParameter>& parameters_;
  std::unordered_map<const void*, size_t> index_;
  std::unordered_map<Node*, int64_t> leads_;  // a trained parameter behind the node, or -1
  std::unordered_map<Node*, bool> inside_alias_;
  std::vector<std::shared_ptr<Node>> order_;
};

}  // namespace

at::Tensor ParameterUse::alias(at::Tensor tensor) const {
  for (const AliasStep& step : aliases)
    tensor = step.shape.empty() ? tensor.transpose(step.dim0, step.dim1) : tensor.view(step.shape);
  return tensor;
}

std::vector<UseNode> find_uses(const at::Tensor& output, const std::vector<TrainedParameter>& parameters) {
  if (!output.defined() || !output.grad_fn())
    unsupported(
        "the watched output has no graph: it was detached, computed under no_grad, or depends on no trained "
        "parameter");
  if (output.dim() == 0 || output.size(0) < 1)
    unsupported("the watched output must be [samples, ...] with at least one sample");
  return Search(output, parameters).uses(output);
}

}  // namespace discreet
