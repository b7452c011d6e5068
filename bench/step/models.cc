#include "bench/step/models.h"

#include <torch/version.h>

#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

namespace step_bench {
namespace {

namespace nn = torch::nn;
using torch::Tensor;
using Task = nlohmann::json;

// As in Python: torch::nn's own forward multiplies and then adds the bias where there are more dimensions
// than two, which is less work.
struct LinearImpl : nn::LinearImpl {
  using nn::LinearImpl::LinearImpl;
  Tensor forward(const Tensor& x) { return torch::linear(x, weight, bias); }
};
TORCH_MODULE(Linear);

int64_t number(const Task& task, const char* key) {
  return task.at(key).get<int64_t>();
}

struct Layers : Model {
  explicit Layers(nn::Sequential made) : layers(register_module("layers", std::move(made))) {}
  Tensor forward(Tensor x) override { return layers->forward(x); }
  nn::Sequential layers;
};

std::shared_ptr<Model> mlp(const Task& task) {
  nn::Sequential layers;
  int64_t width = task.at("input").at(0).get<int64_t>();
  for (const auto& next : task.at("widths")) {
    layers->push_back(Linear(width, next.get<int64_t>()));
    layers->push_back(nn::ReLU());
    width = next.get<int64_t>();
  }
  layers->push_back(Linear(width, number(task, "classes")));
  return std::make_shared<Layers>(layers);
}

// That of the examples of Opacus for MNIST.
std::shared_ptr<Model> mnist_cnn(const Task& task) {
  return std::make_shared<Layers>(nn::Sequential(
      nn::Conv2d(nn::Conv2dOptions(1, 16, 8).stride(2).padding(3)), nn::ReLU(),
      nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(1)), nn::Conv2d(nn::Conv2dOptions(16, 32, 4).stride(2)),
      nn::ReLU(), nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(1)), nn::Flatten(), Linear(512, 32),
      nn::ReLU(), Linear(32, number(task, "classes"))));
}

// Convolutions in pairs, each pair halved by a pool.
std::shared_ptr<Model> cnn(const Task& task) {
  nn::Sequential layers;
  int64_t in = task.at("input").at(0).get<int64_t>(), side = task.at("input").at(1).get<int64_t>();
  const auto channels = task.at("channels").get<std::vector<int64_t>>();
  for (size_t i = 0; i < channels.size(); ++i) {
    layers->push_back(nn::Conv2d(nn::Conv2dOptions(in, channels[i], 3).padding(1)));
    layers->push_back(nn::GroupNorm(nn::GroupNormOptions(number(task, "groups"), channels[i])));
    layers->push_back(nn::ReLU());
    if (i % 2 == 1) {
      layers->push_back(nn::MaxPool2d(nn::MaxPool2dOptions(2)));
      side /= 2;
    }
    in = channels[i];
  }
  layers->push_back(nn::Flatten());
  layers->push_back(Linear(in * side * side, number(task, "classes")));
  return std::make_shared<Layers>(layers);
}

struct Lstm : Model {
  explicit Lstm(const Task& task)
      : mean(task.value("mean", false)),
        embedding(
            register_module("embedding", nn::Embedding(number(task, "vocabulary"), number(task, "width")))),
        lstm(register_module(
            "lstm",
            nn::LSTM(nn::LSTMOptions(number(task, "width"), number(task, "hidden")).batch_first(true)))),
        head(register_module("head", Linear(number(task, "hidden"), number(task, "classes")))) {}
  Tensor forward(Tensor x) override {
    const Tensor out = std::get<0>(lstm->forward(embedding->forward(x)));
    return head->forward(mean ? out.mean(1) : out.select(1, -1));
  }
  bool mean;  // of all times; gradients of the last alone are denormal, hence slow, at far ones
  nn::Embedding embedding;
  nn::LSTM lstm;
  Linear head;
};

// A linear layer; with a rank, frozen beside two trained factors (Hu et al. 2021).
struct Adapted : nn::Module {
  Adapted(int64_t width, int64_t rank) : linear(register_module("linear", Linear(width, width))) {
    if (rank == 0) return;
    down = register_module("down", Linear(nn::LinearOptions(width, rank).bias(false)));
    up = register_module("up", Linear(nn::LinearOptions(rank, width).bias(false)));
  }
  Tensor forward(Tensor x) {
    const Tensor out = linear->forward(x);
    return down ? out + up->forward(down->forward(x)) : out;
  }
  Linear linear, down{nullptr}, up{nullptr};
};

// Of [samples, heads, positions, numbers]; by hand on a libtorch that has no operation for it.
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value) {
#if TORCH_VERSION_MAJOR < 2
  const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
  return (query * scale).matmul(key.transpose(2, 3)).softmax(3).matmul(value);
#else
  return at::scaled_dot_product_attention(query, key, value);
#endif
}

struct Block : nn::Module {
  Block(int64_t width, int64_t heads_of, int64_t rank)
      : heads(heads_of),
        query(register_module("query", std::make_shared<Adapted>(width, rank))),
        value(register_module("value", std::make_shared<Adapted>(width, rank))),
        key(register_module("key", Linear(width, width))),
        joined(register_module("joined", Linear(width, width))),
        wide(register_module("wide", Linear(width, 4 * width))),
        narrow(register_module("narrow", Linear(4 * width, width))),
        before(register_module("before", nn::LayerNorm(nn::LayerNormOptions({width})))),
        between(register_module("between", nn::LayerNorm(nn::LayerNormOptions({width})))) {}
  Tensor forward(Tensor x) {
    const Tensor y = before->forward(x);
    const auto apart = [&](const Tensor& t) {
      return t.view({t.size(0), t.size(1), heads, -1}).transpose(1, 2);
    };
    const Tensor attended =
        attend(apart(query->forward(y)), apart(key->forward(y)), apart(value->forward(y)));
    x = x + joined->forward(attended.transpose(1, 2).flatten(2));
    return x + narrow->forward(torch::gelu(wide->forward(between->forward(x))));
  }
  int64_t heads;
  std::shared_ptr<Adapted> query, value;
  Linear key, joined, wide, narrow;
  nn::LayerNorm before, between;
};

struct Transformer : Model {
  explicit Transformer(const Task& task)
      : tokens(number(task, "tokens")),
        words(register_module("words", nn::Embedding(number(task, "vocabulary"), number(task, "width")))),
        positions(register_module("positions", nn::Embedding(tokens, number(task, "width")))),
        last(register_module("last", nn::LayerNorm(nn::LayerNormOptions({number(task, "width")})))),
        head(register_module("head", Linear(number(task, "width"), number(task, "classes")))) {
    for (int64_t i = 0; i < number(task, "layers"); ++i)
      blocks.push_back(register_module(
          "block" + std::to_string(i),
          std::make_shared<Block>(number(task, "width"), number(task, "heads"), number(task, "rank"))));
    if (number(task, "rank") > 0)
      for (auto& parameter : named_parameters())
        parameter.value().requires_grad_(parameter.key().find("down") != std::string::npos ||
                                         parameter.key().find("up") != std::string::npos ||
                                         parameter.key().rfind("head", 0) == 0);
  }
  Tensor forward(Tensor x) override {
    x = words->forward(x) + positions->forward(torch::arange(tokens, x.options()).expand_as(x));
    for (const auto& block : blocks) x = block->forward(x);
    return head->forward(last->forward(x).mean(1));
  }
  int64_t tokens;
  nn::Embedding words, positions;
  nn::LayerNorm last;
  Linear head;
  std::vector<std::shared_ptr<Block>> blocks;
};

struct Residual : nn::Module {
  Residual(int64_t in, int64_t out, int64_t stride, int64_t groups)
      : first(register_module(
            "first", nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)))),
        second(register_module("second", nn::Conv2d(nn::Conv2dOptions(out, out, 3).padding(1).bias(false)))),
        first_norm(register_module("first_norm", nn::GroupNorm(groups, out))),
        second_norm(register_module("second_norm", nn::GroupNorm(groups, out))) {
    if (stride == 1 && in == out) return;
    shortcut =
        register_module("shortcut", nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)));
    shortcut_norm = register_module("shortcut_norm", nn::GroupNorm(groups, out));
  }
  Tensor forward(Tensor x) {
    const Tensor past = shortcut ? shortcut_norm->forward(shortcut->forward(x)) : x;
    x = torch::relu(first_norm->forward(first->forward(x)));
    return torch::relu(second_norm->forward(second->forward(x)) + past);
  }
  nn::Conv2d first, second, shortcut{nullptr};
  nn::GroupNorm first_norm, second_norm, shortcut_norm{nullptr};
};

// For small images: the first convolution is 3 x 3 and there is no first pool.
struct Resnet : Model {
  explicit Resnet(const Task& task) {
    const auto channels = task.at("channels").get<std::vector<int64_t>>();
    const int64_t groups = number(task, "groups");
    int64_t in = channels[0];
    stem = register_module(
        "stem",
        nn::Conv2d(nn::Conv2dOptions(task.at("input").at(0).get<int64_t>(), in, 3).padding(1).bias(false)));
    stem_norm = register_module("stem_norm", nn::GroupNorm(groups, in));
    for (size_t stage = 0; stage < channels.size(); ++stage)
      for (int64_t i = 0; i < number(task, "blocks"); ++i) {
        blocks.push_back(register_module(
            "block" + std::to_string(blocks.size()),
            std::make_shared<Residual>(in, channels[stage], stage > 0 && i == 0 ? 2 : 1, groups)));
        in = channels[stage];
      }
    head = register_module("head", Linear(in, number(task, "classes")));
  }
  Tensor forward(Tensor x) override {
    x = torch::relu(stem_norm->forward(stem->forward(x)));
    for (const auto& block : blocks) x = block->forward(x);
    return head->forward(x.mean({2, 3}));
  }
  nn::Conv2d stem{nullptr};
  nn::GroupNorm stem_norm{nullptr};
  std::vector<std::shared_ptr<Residual>> blocks;
  Linear head{nullptr};
};

}  // namespace

std::shared_ptr<Model> make_model(const Task& task) {
  const auto kind = task.at("kind").get<std::string>();
  if (kind == "mlp") return mlp(task);
  if (kind == "mnist_cnn") return mnist_cnn(task);
  if (kind == "cnn") return cnn(task);
  if (kind == "lstm") return std::make_shared<Lstm>(task);
  if (kind == "transformer") return std::make_shared<Transformer>(task);
  if (kind == "resnet") return std::make_shared<Resnet>(task);
  throw std::invalid_argument("task.json: unknown kind of model: " + kind);
}

std::map<std::string, int64_t> operations(const Tensor& output) {
  std::map<std::string, int64_t> result;
  std::set<const torch::autograd::Node*> seen{nullptr};
  std::vector<const torch::autograd::Node*> left{output.grad_fn().get()};
  while (!left.empty()) {
    const auto* node = left.back();
    left.pop_back();
    if (!seen.insert(node).second) continue;
    if (node->num_outputs() > 0) ++result[node->name()];
    for (const auto& edge : node->next_edges()) left.push_back(edge.function.get());
  }
  return result;
}

Tensor make_input(const Task& task, int64_t rows) {
  if (task.contains("vocabulary"))
    return torch::randint(0, number(task, "vocabulary"), {rows, number(task, "tokens")}, torch::kLong);
  auto shape = task.at("input").get<std::vector<int64_t>>();
  shape.insert(shape.begin(), rows);
  return torch::randn(shape);
}

}  // namespace step_bench
