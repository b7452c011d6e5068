#include "discreet/dp/graph.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "discreet/base/error.h"
#include "discreet/dp/on_device.h"
#include "discreet/dp/operations.h"
#include "discreet/dp/rules/list.h"

namespace discreet {
namespace {

using namespace libtorch;

[[noreturn]] void unsupported(const std::string& message) {
  throw Error(ErrorKind::kUnsupported, message);
}

constexpr const char* kWaysOut =
    " (ways out: GradMode::kExactSlow, one unit at a time; or a rule of your own in PrivacyOptions::rules)";
constexpr const char* kWayOut = " (way out: GradMode::kExactSlow, one unit at a time)";
constexpr const char* kCustom =
    ", a custom autograd function or a checkpoint: its inside is not in the graph, and may mix samples or "
    "use parameters unseen (ways out: the same by libtorch's own operations, without a checkpoint; for a "
    "function that is given all its parameters GradMode::kExactSlow, one unit at a time, or a rule of your "
    "own in PrivacyOptions::rules)";

bool is_empty(const Shape& shape) {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

ViewStep slice_step(const Shape& in, const Shape& out, int64_t dimension, int64_t start, int64_t step) {
  const auto rank = static_cast<int64_t>(in.size());
  if (dimension < 0) dimension += rank;
  if (start < 0) start += in[dimension];
  start = std::clamp<int64_t>(start, 0, in[dimension]);
  return {ViewStep::Kind::kSlice, {dimension, start, out[dimension], step}};
}

// A look-up in a trained table by numbers that no gradient goes through: they may be the batch's own tokens.
saved::EmbeddingBackward0* look_up(Node& node) {
  auto* result = dynamic_cast<saved::EmbeddingBackward0*>(&node);
  if (result == nullptr || result->sparse || result->scale_grad_by_freq) return nullptr;
  return dynamic_cast<AccumulateGrad*>(node.next_edge(0).function.get()) != nullptr ? result : nullptr;
}

// Rows of a table that follow each other, looked up once each, are a slice of it: positions, for instance.
// Nothing where they are others; the padding token's row has no gradient.
std::optional<ViewStep> slice_looked_up(saved::EmbeddingBackward0& node) {
  const at::Tensor indices = unpack(node.indices_, node), rows = indices.to(at::kLong).flatten();
  const int64_t count = rows.numel();
  if (count == 0) return {};
  // Reading them means to wait for a device: not for what is a batch of several.
  if (is_on_device(rows) && indices.dim() > 1 && indices.size(0) != 1) return {};
  const int64_t first = rows[0].item<int64_t>(), padding = integer(node.padding_idx);
  if (padding >= first && padding < first + count) return {};
  if (!rows.equal(at::arange(first, first + count, rows.options()))) return {};
  return ViewStep{ViewStep::Kind::kSlice, {0, first, count, 1}};
}

// The steps of an operation that makes a view, for its output `output`; false for any other operation.
bool view_steps(Node& node, uint32_t output, std::vector<ViewStep>* steps) {
  const std::string name = node.name();
  const Shape out = output_shape(node, output);
  if (name == "TBackward0") {
    if (out.size() == 2) steps->push_back({ViewStep::Kind::kTranspose, {0, 1}});
    return true;
  }
  if (auto* transpose = dynamic_cast<saved::TransposeBackward0*>(&node)) {
    steps->push_back({ViewStep::Kind::kTranspose, {transpose->dim0, transpose->dim1}});
    return true;
  }
  if (auto* permute = dynamic_cast<saved::PermuteBackward0*>(&node)) {
    steps->push_back({ViewStep::Kind::kPermute, integers(permute->dims)});
    return true;
  }
  if (name == "ViewBackward0" || name == "UnsafeViewBackward0" || name == "ReshapeAliasBackward0" ||
      name == "UnsqueezeBackward0" || name == "AliasBackward0" || name.rfind("SqueezeBackward", 0) == 0) {
    steps->push_back({ViewStep::Kind::kReshape, out});
    return true;
  }
  if (name == "ToCopyBackward0") return true;  // the same numbers in another precision
  if (node.num_outputs() != 1 || !node.next_edge(0).is_valid()) return false;
  const Shape in = input_shape(node.next_edge(0));
  if (auto* slice = dynamic_cast<saved::SliceBackward0*>(&node)) {
    steps->push_back(
        slice_step(in, out, slice->dim, slice->start ? integer(*slice->start) : 0, integer(slice->step)));
    return true;
  }
  if (auto* looked_up = look_up(node)) {
    const std::optional<ViewStep> slice = slice_looked_up(*looked_up);
    if (!slice) return false;
    steps->push_back({ViewStep::Kind::kReshape, out});  // reversed below: the slice comes first
    steps->push_back(*slice);
    return true;
  }
  if (auto* split = dynamic_cast<saved::SplitBackward0*>(&node)) {
    steps->push_back(slice_step(in, out, split->dim, integer(split->split_size) * output, 1));
    return true;
  }
  if (auto* select = dynamic_cast<saved::SelectBackward0*>(&node)) {
    Shape one = in;
    one[select->dim < 0 ? select->dim + in.size() : select->dim] = 1;
    steps->push_back({ViewStep::Kind::kReshape, out});  // reversed below: the slice comes first
    steps->push_back(slice_step(in, one, select->dim, integer(select->index), 1));
    return true;
  }
  return false;
}

class Search {
 public:
  Search(const at::Tensor& output, const std::vector<TrainedParameter>& parameters,
         const GraphOptions& options)
      : parameters_(parameters),
        rules_(options.rules),
        batch_(Layout::of_batch(output.sizes().vec(), options.batch_dimension)) {
    for (size_t i = 0; i < parameters.size(); ++i) index_[parameters[i].tensor.unsafeGetTensorImpl()] = i;
    order_nodes(output.grad_fn());
    layouts_[output.grad_fn().get()].resize(output.output_nr() + 1);
    layouts_[output.grad_fn().get()][output.output_nr()] = batch_;
  }

  std::vector<UseNode> uses() {
    for (const auto& node : order_) check_inside(*node);
    for (const auto& node : order_) {
      if (facts_.at(node.get()).parameter < 0 || dynamic_cast<AccumulateGrad*>(node.get()) != nullptr)
        continue;
      const auto layouts = layouts_.find(node.get());
      if (layouts == layouts_.end()) continue;  // only reached as a function of parameters
      if (has_hooks(*node))
        unsupported(who(*node) + ", to whose result a hook is registered: it may mix the samples' gradients");
      if (rooted_.count(node.get()))
        unsupported(who(*node) + ", with and without rows of its own for the batch");
      for (uint32_t input = 0; input < node->num_outputs(); ++input) {
        const Edge& edge = node->next_edge(input);
        if (!edge.is_valid() || facts_.at(edge.function.get()).parameter < 0) continue;
        if (facts_.at(edge.function.get()).pure && cover(node, input, layouts->second)) continue;
        carry_on(*node, input, layouts->second);
      }
      // Without a parameter of its own only its gradient is looked at (clip_piece.cc).
      if (may_misread(*node) && layouts->second[0] && (found_.empty() || found_.back().node != node))
        found_.push_back({node, rule_for(node->name()), *layouts->second[0], {}});
    }
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (!used_.count(i))
        unsupported("parameter '" + parameters_[i].name +
                    "' is trained but the watched output does not depend on it: freeze it "
                    "(requires_grad_(false)) or use it");
    return std::move(found_);
  }

  // Autograd asked for the parameters' gradients does not go through a node behind which it sees none.
  void check_all_reached() const {
    for (const auto& node : order_)
      if (is_custom(*node) && facts_.at(node.get()).parameter < 0)
        unsupported("the watched output depends on '" + node->name() +
                    "', a custom autograd function or a checkpoint behind which no trained parameter lies: "
                    "parameters that it uses inside would get no gradient from it (way out: give it its "
                    "parameters, or run it without a checkpoint)");
  }

 private:
  struct Facts {
    int64_t parameter = -1;  // a trained parameter behind the node, or -1
    bool pure = false;       // a function of trained parameters alone
    bool looked_up = false;  // and of the numbers of rows of a table
  };
  using Layouts = std::vector<std::optional<Layout>>;  // by output of a node

  // All nodes behind `root`, each before those that its inputs come from, with what is behind them.
  void order_nodes(const NodePointer& root) {
    std::vector<std::pair<NodePointer, uint32_t>> stack{{root, 0}};
    facts_[root.get()] = {};
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->num_outputs()) {
        const Edge& edge = node->next_edge(next++);
        if (edge.is_valid() && facts_.try_emplace(edge.function.get()).second)
          stack.emplace_back(edge.function, 0);
      } else {
        facts_[node.get()] = facts_of(*node);
        order_.push_back(node);
        stack.pop_back();
      }
    }
    std::reverse(order_.begin(), order_.end());
  }

  Facts facts_of(Node& node) const {
    Facts facts;
    if (auto* leaf = dynamic_cast<AccumulateGrad*>(&node)) {
      const auto found = index_.find(leaf->variable.unsafeGetTensorImpl());
      if (found != index_.end()) facts = {static_cast<int64_t>(found->second), true};
      return facts;
    }
    bool all_pure = true;
    for (const Edge& edge : node.next_edges()) {
      if (!edge.is_valid()) continue;
      const Facts& behind = facts_.at(edge.function.get());
      if (facts.parameter < 0) facts.parameter = behind.parameter;
      all_pure = all_pure && behind.pure;
      facts.looked_up = facts.looked_up || behind.looked_up;
    }
    all_pure = all_pure && facts.parameter >= 0;
    if (look_up(node) != nullptr) {
      facts.looked_up = facts.pure = all_pure;
    } else {
      facts.pure =
          all_pure && is_function_of_its_tensors(node) && (!facts.looked_up || moves_whole_tensor(node));
    }
    return facts;
  }

  std::string who(Node& node) const {
    return "parameter '" + parameters_[facts_.at(&node).parameter].name + "' is used by '" + node.name() +
           "'";
  }

  // Whatever is behind it that one can see.
  void check_inside(Node& node) const {
    if (!is_custom(node) || own_rule(node.name()) != nullptr) return;
    const int64_t parameter = facts_.at(&node).parameter;
    unsupported((parameter < 0
                     ? "the watched output depends on '"
                     : "parameter '" + parameters_[parameter].name + "' reaches the output through '") +
                node.name() + "'" + kCustom);
  }

  const Rule* own_rule(const std::string& operation) const {
    for (const Rule& rule : rules_)
      if (operation == rule.operation) return &rule;
    return nullptr;
  }

  const Rule* rule_for(const std::string& operation) const {
    const Rule* own = own_rule(operation);
    return own != nullptr ? own : find_rule(operation);
  }

  // Takes what enters this slot for a use of parameters, by the rule for the node. False where the slot
  // rather has rows of its own for the batch: then the way goes on.
  bool cover(const NodePointer& node, uint32_t input, const Layouts& layouts) {
    const Edge& edge = node->next_edge(input);
    if (is_empty(input_shape(edge))) {  // no number of a parameter gets a gradient here
      resolve(input, edge);
      return true;
    }
    const bool leaf = dynamic_cast<AccumulateGrad*>(edge.function.get()) != nullptr;
    const Rule* rule = rule_for(node->name());
    const std::string user = "parameter '" + parameters_[facts_.at(edge.function.get()).parameter].name +
                             "' is used by '" + node->name() + "'";
    if (rule == nullptr) {
      if (!leaf) return false;
      std::string names;
      for (const Rule& known : clip_rules()) names += (names.empty() ? "" : ", ") + std::string(known.name);
      unsupported(user + ", for which there is no clip rule; rules exist for: " + names + kWaysOut);
    }
    if (is_empty(output_shape(*node))) unsupported(user + ", whose result is empty");
    if (c10::isComplexType(node->input_metadata(0).options().dtype().toScalarType()))
      unsupported(user + ", whose result is complex: clip rules are for real numbers" + kWaysOut);
    const std::optional<Layout> layout = first_layout(*node, *rule, layouts, user);
    if (!layout) unsupported(user + ", whose first result is not used");
    // What was looked up may be the samples' own: it is the same for all only where it has no rows for them.
    if (facts_.at(edge.function.get()).looked_up &&
        (!takes_broadcast(*rule) || layout->samples() == 1 || layout->keys() == 1))
      return false;
    if (const std::string reason = rule->refusal(*node, input, *layout); !reason.empty()) {
      if (!leaf && carry(*node, input, 0, *layout).layout) return false;
      unsupported(user + ", which the clip rule '" + rule->name + "' refuses: " + reason + kWaysOut);
    }
    if (found_.empty() || found_.back().node != node) found_.push_back({node, rule, *layout, {}});
    found_.back().uses.push_back(resolve(input, edge));
    return true;
  }

  // The layout of the node's first output, from all outputs that are used and that the rule covers.
  static std::optional<Layout> first_layout(Node& node, const Rule& rule, const Layouts& layouts,
                                            const std::string& user) {
    std::optional<Layout> first;
    for (uint32_t output = 0; output < layouts.size(); ++output) {
      if (!layouts[output] || (output > 0 && rule.outputs == nullptr)) continue;
      const auto own = output == 0 ? layouts[0] : rule.outputs->first_layout(node, output, *layouts[output]);
      if (!own) unsupported(user + ", one of whose results mixes the samples of the batch");
      if (!first) {
        first = own;
      } else if (!first->merge(*own)) {
        unsupported(user + ", whose results are of different samples");
      }
    }
    return first;
  }

  // What entered a slot, with all that is behind it marked as taken.
  ParameterUse resolve(uint32_t input, const Edge& from) {
    ParameterUse use{input, {}, true, {}, from};
    Edge edge = from;
    while (dynamic_cast<AccumulateGrad*>(edge.function.get()) == nullptr) {
      if (!view_steps(*edge.function, edge.input_nr, &use.steps)) {
        use.is_view = false;
        break;
      }
      rooted_.insert(edge.function.get());
      edge = edge.function->next_edge(0);
    }
    std::reverse(use.steps.begin(), use.steps.end());
    std::vector<Node*> stack{edge.function.get()};
    std::unordered_set<Node*> seen;
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      if (!seen.insert(node).second) continue;
      if (dynamic_cast<AccumulateGrad*>(node) != nullptr) {
        use.parameters.push_back(static_cast<size_t>(facts_.at(node).parameter));
      } else {
        rooted_.insert(node);
        for (const Edge& next : node->next_edges()) stack.push_back(next.function.get());
      }
    }
    used_.insert(use.parameters.begin(), use.parameters.end());
    if (use.is_view && !parameters_[use.parameters[0]].tensor.is_contiguous()) use.is_view = false;
    return use;
  }

  void carry_on(Node& node, uint32_t input, const Layouts& layouts) {
    const Edge& edge = node.next_edge(input);
    const auto refuse = [&](const std::string& reason) {
      unsupported("parameter '" + parameters_[facts_.at(edge.function.get()).parameter].name +
                  "' reaches the output through '" + node.name() + "', which " + reason);
    };
    for (uint32_t output = 0; output < layouts.size(); ++output) {
      if (!layouts[output]) continue;
      const Carried carried = carry(node, input, output, *layouts[output]);
      if (!carried.layout) refuse(carried.reason + (carried.known ? "" : kWayOut));
      Layouts& known = layouts_[edge.function.get()];
      if (known.size() <= edge.input_nr) known.resize(edge.input_nr + 1);
      if (!known[edge.input_nr]) {
        known[edge.input_nr] = carried.layout;
      } else if (!known[edge.input_nr]->merge(*carried.layout)) {
        refuse("gives it to other samples than another use of '" + edge.function->name() + "' does");
      }
    }
  }

  const std::vector<TrainedParameter>& parameters_;
  const std::vector<Rule>& rules_;  // the user's
  Layout batch_;
  std::unordered_map<const void*, size_t> index_;
  std::unordered_map<Node*, Facts> facts_;
  std::unordered_map<Node*, Layouts> layouts_;  // of what is computed from the batch
  std::unordered_set<Node*> rooted_;            // functions of parameters that entered a rule's slot
  std::unordered_set<size_t> used_;
  std::vector<NodePointer> order_;
  std::vector<UseNode> found_;
};

}  // namespace

bool may_misread(Node& node) {
  return node.name() == "NativeBatchNormBackward0";
}

bool misreads(Node& node, const at::Tensor& gradient) {
  if (!may_misread(node)) return false;
  auto& norm = dynamic_cast<saved::NativeBatchNormBackward0&>(node);
  for (const auto* of_channels : {&norm.weight_, &norm.running_mean_, &norm.running_var_}) {
    const at::Tensor tensor = unpack(*of_channels, node);
    if (tensor.defined() && !tensor.is_contiguous()) return true;
  }
  const at::Tensor input = unpack(norm.input_, node);
  if (gradient.is_contiguous() && input.is_contiguous()) return false;
  const at::IntArrayRef sizes = gradient.sizes();
  return std::find(sizes.begin(), sizes.end(), 1) != sizes.end() ||
         !gradient.is_non_overlapping_and_dense() || !input.is_non_overlapping_and_dense();
}

at::Tensor ParameterUse::view(at::Tensor tensor) const {
  for (const auto& [kind, numbers] : steps) {
    switch (kind) {
      case ViewStep::Kind::kTranspose: tensor = tensor.transpose(numbers[0], numbers[1]); break;
      case ViewStep::Kind::kPermute: tensor = tensor.permute(numbers); break;
      case ViewStep::Kind::kReshape: tensor = tensor.view(numbers); break;
      case ViewStep::Kind::kSlice:
        tensor =
            tensor.slice(numbers[0], numbers[1], numbers[1] + (numbers[2] - 1) * numbers[3] + 1, numbers[3]);
        break;
    }
  }
  return tensor;
}

void check_all_reached(const at::Tensor& output, const std::vector<TrainedParameter>& parameters) {
  Search(output, parameters, {}).check_all_reached();
}

std::vector<UseNode> find_uses(const at::Tensor& output, const std::vector<TrainedParameter>& parameters,
                               const GraphOptions& options) {
  if (!output.defined() || !output.grad_fn())
    unsupported(
        "the watched output has no graph: it was detached, computed under no_grad, or depends on no trained "
        "parameter");
  if (options.batch_dimension >= output.dim() || output.numel() == 0)
    unsupported("the watched output must be [samples, ...] with at least one sample and no size of 0");
  return Search(output, parameters, options).uses();
}

}  // namespace discreet
