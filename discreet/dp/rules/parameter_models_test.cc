// What happens to a parameter before it is used, and many uses of one.
#include "discreet/dp/rules/rules_testing.h"

namespace discreet::testing_models {

std::vector<Model> parameter_models() {
  std::vector<Model> list;
  list.push_back({"weight normalisation",
                  {"linear"},
                  {{4, 5}, {4, 1}, {4}},
                  normal_rows({3, 5}),
                  [](const Tensors& p, Tensor x) {
                    return torch::linear(x, torch::_weight_norm(p[0], p[1], 0), p[2]).tanh().sum(1);
                  }});
  list.push_back({"functions of parameters",
                  {"multiplied parameter", "linear without bias"},
                  {{5}, {4, 5}, {4, 5}},
                  normal_rows({5}),
                  [](const Tensors& p, Tensor x) {
                    return torch::linear(x * p[0].exp(), p[1] - p[2] * 0.5 + p[1].tanh()).sin();
                  }});
  list.push_back({"adapters of low rank beside a frozen weight",
                  {"linear without bias", "linear"},
                  {{2, 5}, {4, 2}},
                  normal_rows({3, 5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor frozen = torch::arange(20, x.options()).view({4, 5}) / 10;
                    const Tensor low = torch::linear(torch::linear(x, p[0]), p[1]) * 0.5;
                    return (torch::linear(x, frozen) + low).tanh().mean(1);
                  }});
  list.push_back({"adapters multiplied first",
                  {"linear without bias"},
                  {{2, 5}, {4, 2}},
                  normal_rows({3, 5}),
                  [](const Tensors& p, Tensor x) { return torch::linear(x, p[1].mm(p[0])).tanh().mean(1); }});
  list.push_back({"the first rows of a positional table",
                  {"added parameter"},
                  {{9, 6}},
                  normal_rows({4, 6}),
                  [](const Tensors& p, Tensor x) { return (x + p[0].slice(0, 0, 4)).tanh().flatten(1); }});
  list.push_back({"positions looked up once for the whole batch",
                  {"added parameter"},
                  {{9, 6}},
                  normal_rows({4, 6}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor positions = torch::arange(2, 6).unsqueeze(0);  // [1, 4]
                    return (x + torch::embedding(p[0], positions)).tanh().flatten(1);
                  }});
  list.push_back(
      {"positions of which one is the padding token",
       {"added parameter"},
       {{9, 6}},
       normal_rows({4, 6}),
       [](const Tensors& p, Tensor x) {
         return (x + torch::embedding(p[0], torch::arange(4), /*padding_idx=*/2)).tanh().flatten(1);
       }});
  list.push_back({"tokens and positions, both looked up, tied to the output",
                  {"embedding", "added parameter", "linear without bias"},
                  {{7, 4}, {5, 4}},
                  token_rows(7, {5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor positions = torch::arange(5).unsqueeze(0);
                    const Tensor h = torch::embedding(p[0], x) + torch::embedding(p[1], positions);
                    return torch::matmul(h.tanh().mean(1), p[0].t());
                  }});
  list.push_back({"tokens and positions, normalised and not",
                  {"embedding", "added parameter", "layer norm"},
                  {{7, 4}, {5, 4}, {4}, {4}},
                  token_rows(7, {5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor positions = torch::arange(5).unsqueeze(0);
                    const Tensor h = torch::embedding(p[0], x) + torch::embedding(p[1], positions);
                    return (h + torch::layer_norm(h, {4}, p[2], p[3]).sin()).tanh().flatten(1);
                  }});
  list.push_back({"a bias of attention by distance",  // each row of the table is looked up several times
                  {"added parameter"},
                  {{3, 2}},
                  normal_rows({2, 4, 4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor at = torch::arange(4);
                    const Tensor buckets = (at.unsqueeze(0) - at.unsqueeze(1)).abs().clamp_max(2);  // [4, 4]
                    const Tensor bias = torch::embedding(p[0], buckets).permute({2, 0, 1}).unsqueeze(0);
                    const Tensor all = bias.slice(2, -4);  // as T5 has it
                    return (x + all).softmax(-1).square().flatten(1);
                  }});
  list.push_back({"parts of one weight, joined and apart",
                  {"linear without bias", "linear"},
                  {{9, 4}, {9}},
                  normal_rows({4}),
                  [](const Tensors& p, Tensor x) {
                    const auto w = p[0].chunk(3), b = p[1].chunk(3);
                    const Tensor q = torch::linear(x, w[0], b[0]), k = torch::linear(x, w[1], b[1]);
                    return (q * k).tanh() + torch::linear(x, torch::cat({w[2], w[0]}).slice(0, 1, 4), b[2]);
                  }});
  list.push_back({"parts of no rows and no columns",
                  {"linear", "linear without bias"},
                  {{6, 4}, {6}, {4, 6}},
                  normal_rows({4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor nothing = x.slice(1, 1, 1), h = torch::linear(x, p[0], p[1]);
                    return h.tanh() + torch::linear(nothing, p[0].slice(1, 0, 0, 2)) +
                           torch::linear(nothing, p[2].slice(0, 3, 3, 3).t(), p[1]).sin() + x.matmul(p[2]);
                  }});
  list.push_back({"overlapping parts of one weight",
                  {"linear without bias"},
                  {{6, 4}},
                  normal_rows({4}),
                  [](const Tensors& p, Tensor x) {
                    return torch::linear(x, p[0].slice(0, 0, 4)).tanh() +
                           torch::linear(x, p[0].slice(0, 2, 6)).sin();
                  }});
  list.push_back({"a matrix and its transpose",
                  {"linear without bias"},
                  {{4, 4}},
                  normal_rows({3, 4}),
                  [](const Tensors& p, Tensor x) {
                    return torch::matmul(torch::matmul(x, p[0]).tanh(), p[0].t()).sum(1);
                  }});
  list.push_back(
      {"one convolution at two scales",
       {"convolution"},
       {{3, 3, 3, 3}, {3}},
       normal_rows({3, 6, 6}),
       [](const Tensors& p, Tensor x) {
         const Tensor h = torch::conv2d(x, p[0], p[1], 1, 1).tanh();
         return torch::conv2d(torch::avg_pool2d(h, 2), p[0], p[1], 1, 1).mean(at::IntArrayRef({2, 3}));
       }});
  list.push_back({"one embedding of two inputs",
                  {"embedding"},
                  {{6, 4}},
                  token_rows(6, {2, 3}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor a = torch::embedding(p[0], x.select(1, 0)),
                                 b = torch::embedding(p[0], x.select(1, 1));
                    return (a * b).sum(1);
                  }});
  list.push_back({"embedding tied to the output of every position",
                  {"embedding", "linear without bias"},
                  {{7, 4}, {4, 4}},
                  token_rows(7, {5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::linear(torch::embedding(p[0], x, /*padding_idx=*/3), p[1]).tanh();
                    return torch::matmul(h, p[0].t()).sin().sum(1);
                  }});
  return list;
}

}  // namespace discreet::testing_models
