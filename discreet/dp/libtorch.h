// What differs between the supported libtorch versions (1.13 to 2.x) in the autograd graph, in one place.
//
// Nodes of the graph are named after the operation whose derivative they compute ("AddmmBackward0") and keep
// what that needs as saved variables. Sizes are int64_t in one version and c10::SymInt in another, so every
// access to them goes through these functions.
#pragma once

#include <c10/util/Type.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/functions/tensor.h>
#include <torch/csrc/autograd/generated/Functions.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <unordered_set>
#include <vector>

namespace discreet::libtorch {

using torch::autograd::AccumulateGrad;
using torch::autograd::CopySlices;
using torch::autograd::Edge;
using torch::autograd::Node;
// std::shared_ptr<Node>, or c10::intrusive_ptr<Node> in the newest.
using NodePointer = decltype(Edge::function);
namespace saved = torch::autograd::generated;

using Shape = std::vector<int64_t>;

inline int64_t integer(int64_t value) {
  return value;
}
inline int64_t integer(const c10::SymInt& value) {
  return value.expect_int();
}

template <typename Integer>
Shape integers(const std::vector<Integer>& values) {
  Shape result;
  for (const Integer& value : values) result.push_back(integer(value));
  return result;
}

// Dimensions of a reduction; empty where the operation reduces over all of them.
inline Shape integers(const c10::OptionalArray<int64_t>& values) {
  return values.list ? Shape(values.list->begin(), values.list->end()) : Shape();
}

// Sizes of the tensors that were joined.
inline std::vector<Shape> input_sizes(const saved::CatBackward0& cat) {
#if TORCH_VERSION_MAJOR < 2
  const auto& sizes = cat.tensors_args_sizes;
#else
  const auto& sizes = cat.tensors_args_sizes_symint;
#endif
  std::vector<Shape> result;
  for (const auto& size : sizes) result.push_back(integers(size));
  return result;
}

// Learned slopes below 0. The slope enters as one number or [channels] in 1.13, broadcastable in 2.x.
#if TORCH_VERSION_MAJOR < 2
using PreluNode = saved::PreluBackward0;
inline constexpr const char* kPreluNode = "PreluBackward0";
#else
using PreluNode = saved::PreluKernelBackward0;
inline constexpr const char* kPreluNode = "PreluKernelBackward0";
#endif

// Softmax in which a row that is masked whole is 0, of attention with dropout since 2.5.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 5)
using SafeSoftmaxNode = saved::SafeSoftmaxBackward0;
#else
using SafeSoftmaxNode = saved::SoftmaxBackward0;
#endif

#if TORCH_VERSION_MAJOR < 2
// 1.13 records the shapes but keeps the accessor private; naming a private member in an explicit
// instantiation is allowed by the language ([temp.spec]).
template <auto Member>
struct ShapeAccess {
  friend auto recorded_shape(const torch::autograd::InputMetadata& metadata) { return (metadata.*Member)(); }
};
auto recorded_shape(const torch::autograd::InputMetadata& metadata);
template struct ShapeAccess<&torch::autograd::InputMetadata::shape_as_dim_vector>;
#else
inline auto recorded_shape(const torch::autograd::InputMetadata& metadata) {
  return metadata.shape_as_dim_vector();
}
#endif

// Whether the node is not one of libtorch's own: a torch::autograd::Function, of C++ ("CppNode") or Python
// ("PyNode"), as checkpoints are, or a class of the user's.
inline bool is_custom(const Node& node) {
  const std::string type = c10::demangle(typeid(node).name());
  const auto begins = [&](const char* with) { return type.rfind(with, 0) == 0; };
  return !begins("torch::autograd::") || begins("torch::autograd::CppNode") ||
         begins("torch::autograd::PyNode");
}

// Looks at the gradients that flow into a node.
class GradientWatch : public torch::autograd::FunctionPreHook {
 public:
  using Look = std::function<void(const std::vector<at::Tensor>&)>;
  explicit GradientWatch(Look look) : look_(std::move(look)) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& gradients) override {
    look_(gradients);
    return gradients;
  }

 private:
  Look look_;
};

// Whether somebody else registered a hook that changes the gradients that flow through this node.
inline bool has_hooks(Node& node) {
#if TORCH_VERSION_MAJOR >= 2
  if (!node.tensor_pre_hooks().empty()) return true;
#endif
  for (const auto& hook : node.pre_hooks())
    if (dynamic_cast<const GradientWatch*>(hook.get()) == nullptr) return true;
  return !node.post_hooks().empty();
}

// Shape of what the operation of this node put out (and of the gradient that flows into the node).
inline Shape output_shape(const Node& node, uint32_t output = 0) {
  Shape shape;
  for (const auto& size : recorded_shape(node.input_metadata(output))) shape.push_back(integer(size));
  return shape;
}

// Type of the tensor that went along this edge.
inline at::ScalarType type_of(const Edge& edge) {
  return c10::typeMetaToScalarType(edge.function->input_metadata(edge.input_nr).options().dtype());
}

// Shape of the tensor that entered the operation along this edge.
inline Shape input_shape(const Edge& edge) {
  return output_shape(*edge.function, edge.input_nr);
}

// Templates, so that of the two ways only the one that exists is compiled.
template <typename Pointer, typename AnyNode>
Pointer pointer_to(AnyNode& node) {
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<AnyNode>>) {
    return node.shared_from_this();
  } else {
    return Pointer::unsafe_reclaim_from_nonowning(&node);  // one more owner
  }
}

// Undefined where an optional tensor was not given.
inline at::Tensor unpack(const torch::autograd::SavedVariable& variable, Node& node) {
  const at::Tensor tensor = variable.unpack(pointer_to<NodePointer>(node));
  return tensor.defined() ? tensor.detach() : tensor;
}

// Numbers of 16 bits as floats, in which norms and sums are taken.
inline at::Tensor at_least_float(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf ? x.to(at::kFloat) : x;
}

// One layer and direction of an LSTM that is one node of the graph, which 2.x makes on a CPU: outputs
// [time, batch, hidden] and the last hidden and cell states [batch, hidden]; input slots: the tensors of
// this struct up to the cell state, in their order.
struct LstmLayer {
  static constexpr uint32_t kInput = 0, kInputWeight = 1, kHiddenWeight = 2, kInputBias = 3, kHiddenBias = 4,
                            kHidden = 5, kCell = 6;
  at::Tensor input;                        // [time, batch, width]
  at::Tensor input_weight, hidden_weight;  // [4 hidden, width], [4 hidden, hidden]
  at::Tensor input_bias, hidden_bias;      // [4 hidden]; undefined without
  at::Tensor hidden, cell;                 // the first states, [batch, hidden]
  at::Tensor output;                       // [time, batch, hidden]
  bool reverse;                            // time runs from the end; input and output are not turned
  bool packed;                             // rows of several lengths
};

inline LstmLayer lstm_layer(Node& node) {
#if TORCH_VERSION_MAJOR < 2
  TORCH_CHECK(false, "this libtorch has no node for an LSTM layer: ", node.name());
#else
  auto& layer = dynamic_cast<saved::MkldnnRnnLayerBackward0&>(node);
  LstmLayer result{unpack(layer.input_, node),
                   unpack(layer.weight0_, node),
                   unpack(layer.weight1_, node),
                   {},
                   {},
                   unpack(layer.hx__, node),
                   unpack(layer.cx__, node),
                   unpack(layer.result0_, node),
                   layer.reverse,
                   !layer.batch_sizes.empty()};
  if (layer.has_biases) {
    result.input_bias = unpack(layer.weight2_, node);
    result.hidden_bias = unpack(layer.weight3_, node);
  }
  return result;
#endif
}

// Where views were that parts of tensors were written through (CopySlices). 1.13 asks whether a gradient is
// wanted there before it passes on that of what was not written over.
inline std::vector<Edge> edges_of_written_views(const std::vector<Edge>& roots) {
  std::vector<Edge> result;
#if TORCH_VERSION_MAJOR < 2
  std::vector<Node*> stack;
  for (const Edge& root : roots) stack.push_back(root.function.get());
  std::unordered_set<Node*> seen(stack.begin(), stack.end());
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    if (auto* written = dynamic_cast<CopySlices*>(node))
      if (written->next_edge(0).is_valid() && written->fn->next_edge(0).is_valid())
        result.push_back(written->fn->next_edge(0));
    for (const Edge& edge : node->next_edges())
      if (edge.is_valid() && seen.insert(edge.function.get()).second) stack.push_back(edge.function.get());
  }
#else
  static_cast<void>(roots);
#endif
  return result;
}

// Gradients that flow into `edges` when gradients[i] flows into roots[i]. No other gradient is computed or
// stored, and the graph is kept. Undefined where nothing flows.
inline std::vector<at::Tensor> gradients_at(const std::vector<Edge>& roots,
                                            const std::vector<at::Tensor>& gradients,
                                            const std::vector<Edge>& edges) {
  std::vector<Edge> wanted = edges;
  for (const Edge& edge : edges_of_written_views(roots)) wanted.push_back(edge);
  std::vector<at::Tensor> result = torch::autograd::Engine::get_default_engine().execute(
      roots, gradients, /*keep_graph=*/true, /*create_graph=*/false, /*accumulate_grad=*/false, wanted);
  result.resize(edges.size());
  return result;
}
inline std::vector<at::Tensor> gradients_at(const at::Tensor& output, const at::Tensor& gradient,
                                            const std::vector<Edge>& edges) {
  return gradients_at(std::vector<Edge>{Edge(output.grad_fn(), output.output_nr())},
                      std::vector<at::Tensor>{gradient}, edges);
}

// As gradients_at, but the graph is used up: what a node saved is let go once the gradients have flowed
// through it. Just before, each of the `watched` nodes' gradients, one for each output, are looked at; that
// is not called where nothing flows. Behind each of them one of the `edges` must lie.
struct WatchedNode {
  Node* node;
  GradientWatch::Look look;
};
inline std::vector<at::Tensor> gradients_through(const std::vector<Edge>& roots,
                                                 const std::vector<at::Tensor>& gradients,
                                                 const std::vector<WatchedNode>& watched,
                                                 const std::vector<Edge>& edges) {
  // The hooks stay with their nodes, and are dead after this.
  const auto alive = std::make_shared<bool>(true);
  std::exception_ptr failure;
  for (const WatchedNode& one : watched)
    one.node->add_pre_hook(std::make_unique<GradientWatch>([&, alive, look = one.look](const auto& flowing) {
      if (!*alive || failure) return;
      try {
        at::NoGradGuard no_grad;
        look(flowing);
      } catch (...) {
        failure = std::current_exception();  // not through libtorch, which may change it
      }
    }));
  std::vector<Edge> wanted = edges;
  for (const Edge& edge : edges_of_written_views(roots)) wanted.push_back(edge);
  std::vector<at::Tensor> result;
  try {
    result = torch::autograd::Engine::get_default_engine().execute(
        roots, gradients, /*keep_graph=*/false, /*create_graph=*/false, /*accumulate_grad=*/false, wanted);
  } catch (...) {
    *alive = false;
    throw;
  }
  *alive = false;
  if (failure) std::rethrow_exception(failure);
  result.resize(edges.size());
  return result;
}

// The gradient of a leaf when `gradient` flows into `edge` behind which it lies; undefined where none does.
inline at::Tensor gradient_of_parameter(const Edge& edge, const at::Tensor& gradient,
                                        const at::Tensor& leaf) {
  return torch::autograd::Engine::get_default_engine().execute(
      {edge}, {gradient}, /*keep_graph=*/true, /*create_graph=*/false, /*accumulate_grad=*/false,
      {torch::autograd::impl::gradient_edge(leaf)})[0];
}

}  // namespace discreet::libtorch
