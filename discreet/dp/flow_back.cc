#include "discreet/dp/flow_back.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "discreet/base/error.h"

namespace discreet {
namespace {

// Outputs of the node whose gradients its rule takes.
uint32_t outputs_of(const UseNode& node) {
  return node.rule->outputs == nullptr ? 1 : node.node->num_inputs();
}

// Adds all nodes behind `edges` to `reached`, but none behind those of `ends`.
void reach(const std::vector<libtorch::Edge>& edges, const std::unordered_set<libtorch::Node*>& ends,
           std::unordered_set<libtorch::Node*>* reached) {
  std::vector<libtorch::Node*> stack;
  const auto visit = [&](const libtorch::Edge& edge) {
    if (edge.is_valid() && reached->insert(edge.function.get()).second) stack.push_back(edge.function.get());
  };
  for (const libtorch::Edge& edge : edges) visit(edge);
  while (!stack.empty()) {
    libtorch::Node* node = stack.back();
    stack.pop_back();
    if (ends.count(node)) continue;
    for (const libtorch::Edge& edge : node->next_edges()) visit(edge);
  }
}

// Those of the nodes left to which gradients flow from `roots` without passing one whose rule passes them on
// itself. All of them where a node has its gradient from both sides: then libtorch's backward does it all.
std::vector<const UseNode*> in_this_stage(const std::vector<libtorch::Edge>& roots,
                                          const std::vector<const UseNode*>& left) {
  std::unordered_set<libtorch::Node*> ends, reached, behind;
  for (const UseNode* node : left)
    if (node->rule->outputs != nullptr) ends.insert(node->node.get());
  if (ends.empty()) return left;
  reach(roots, ends, &reached);
  std::vector<libtorch::Edge> passing;
  for (libtorch::Node* end : ends)
    if (reached.count(end)) passing.insert(passing.end(), end->next_edges().begin(), end->next_edges().end());
  reach(passing, {}, &behind);
  std::vector<const UseNode*> result;
  for (const UseNode* node : left) {
    if (!reached.count(node->node.get())) continue;
    if (behind.count(node->node.get())) return left;
    result.push_back(node);
  }
  return result.empty() ? left : result;
}

// Those of the nodes behind which another of them, or one of `wanted`, lies: libtorch goes back through
// these.
std::unordered_set<libtorch::Node*> with_others_behind(const std::vector<const UseNode*>& nodes,
                                                       const std::vector<libtorch::Edge>& wanted) {
  std::unordered_set<libtorch::Node*> uses, result;
  for (const UseNode* node : nodes) uses.insert(node->node.get());
  for (const libtorch::Edge& edge : wanted) uses.insert(edge.function.get());
  std::unordered_map<libtorch::Node*, bool> leads;  // to one of them; of the nodes that were walked through
  struct Place {
    libtorch::Node* node;
    size_t next_edge;
  };
  for (const UseNode* use : nodes) {
    std::vector<Place> way{{use->node.get(), 0}};
    if (!leads.emplace(use->node.get(), false).second) continue;
    while (!way.empty()) {
      auto& [node, next_edge] = way.back();
      if (next_edge == node->num_outputs()) {
        const bool found = leads[node];
        if (found && uses.count(node)) result.insert(node);
        const bool counts = found || uses.count(node) > 0;
        way.pop_back();
        if (counts && !way.empty()) leads[way.back().node] = true;
        continue;
      }
      libtorch::Node* behind = node->next_edge(next_edge++).function.get();
      if (behind == nullptr) continue;
      if (const auto known = leads.find(behind); known != leads.end()) {
        if (known->second || uses.count(behind)) leads[node] = true;
      } else {
        leads.emplace(behind, false);
        way.push_back({behind, 0});
      }
    }
  }
  return result;
}

// What a node's rule took when the gradient came to it.
struct Taken {
  std::vector<std::unique_ptr<Gradients>> uses;  // as the node's
  std::vector<at::Tensor> passed_on;             // one for each input slot
};

// gradients: one for each output of the node.
Taken take(const UseNode& node, std::vector<at::Tensor> gradients, const at::TensorOptions& options,
           const UseTaken& use_taken) {
  gradients.resize(outputs_of(node));
  if (gradients[0].defined() && misreads(*node.node, gradients[0]))
    throw Error(ErrorKind::kUnsupported,
                "'" + node.node->name() +
                    "' gets a gradient, an input or a gain that lies in memory in another order than "
                    "libtorch's own backward reads: make input and gain contiguous() and go on with "
                    "result.flatten().view(its sizes)");
  Taken taken;
  taken.passed_on.resize(node.node->num_outputs());
  if (node.rule->outputs != nullptr) {
    std::vector<uint32_t> inputs;
    for (const ParameterUse& use : node.uses) inputs.push_back(use.input);
    taken.uses = node.rule->outputs->gradients(*node.node, inputs, gradients, node.layout, &taken.passed_on);
  } else {
    if (!gradients[0].defined()) gradients[0] = at::zeros(libtorch::output_shape(*node.node), options);
    for (const ParameterUse& use : node.uses)
      taken.uses.push_back(node.rule->gradients(*node.node, use.input, gradients[0], node.layout));
  }
  for (size_t i = 0; i < node.uses.size(); ++i) use_taken(node.uses[i], *taken.uses[i]);
  return taken;
}

}  // namespace

std::vector<std::vector<std::unique_ptr<Gradients>>> flow_back(const std::vector<UseNode>& nodes,
                                                               const at::Tensor& output,
                                                               const at::Tensor& output_gradient,
                                                               const UseTaken& use_taken) {
  const at::TensorOptions options = output_gradient.options();
  std::vector<libtorch::Edge> roots{libtorch::Edge(output.grad_fn(), output.output_nr())};
  std::vector<at::Tensor> flowing{output_gradient};
  std::vector<const UseNode*> left;
  for (const UseNode& node : nodes) left.push_back(&node);
  std::vector<std::vector<std::unique_ptr<Gradients>>> result(nodes.size());
  while (!left.empty()) {
    const std::vector<const UseNode*> now = in_this_stage(roots, left);
    const std::unordered_set<libtorch::Node*> inner =
        with_others_behind(now, libtorch::edges_of_written_views(roots));
    std::vector<std::optional<Taken>> taken(now.size());
    std::vector<libtorch::WatchedNode> watched;
    std::vector<libtorch::Edge> edges;
    for (size_t i = 0; i < now.size(); ++i) {
      libtorch::Node* node = now[i]->node.get();
      if (inner.count(node)) {
        watched.push_back({node, [&, i](const std::vector<at::Tensor>& gradients) {
                             taken[i] = take(*now[i], gradients, options, use_taken);
                           }});
      } else {
        for (uint32_t k = 0; k < outputs_of(*now[i]); ++k) edges.emplace_back(now[i]->node, k);
      }
    }
    std::vector<at::Tensor> ending;
    if (!roots.empty()) ending = libtorch::gradients_through(roots, flowing, watched, edges);
    ending.resize(edges.size());
    roots.clear();
    flowing.clear();
    auto next = ending.begin();
    for (size_t i = 0; i < now.size(); ++i) {
      libtorch::Node& node = *now[i]->node;
      if (inner.count(&node)) {  // to which nothing may have flowed
        if (!taken[i]) taken[i] = take(*now[i], {}, options, use_taken);
      } else {
        taken[i] = take(*now[i], {next, next + outputs_of(*now[i])}, options, use_taken);
        std::fill_n(next, outputs_of(*now[i]), at::Tensor());
        next += outputs_of(*now[i]);
        node.release_variables();
      }
      result[now[i] - nodes.data()] = std::move(taken[i]->uses);
      for (size_t slot = 0; slot < taken[i]->passed_on.size(); ++slot) {
        if (!taken[i]->passed_on[slot].defined()) continue;
        roots.push_back(node.next_edge(slot));
        flowing.push_back(taken[i]->passed_on[slot]);
      }
    }
    std::erase_if(left,
                  [&](const UseNode* node) { return std::find(now.begin(), now.end(), node) != now.end(); });
  }
  return result;
}

}  // namespace discreet
