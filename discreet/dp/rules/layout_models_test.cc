// Models in which the batch is not always the outermost dimension, rows are chosen by indices, and parts of
// tensors are taken and joined.
#include "discreet/dp/rules/rules_testing.h"

namespace discreet::testing_models {

namespace F = torch::nn::functional;

std::vector<Model> layout_models() {
  std::vector<Model> list;
  list.push_back({"time-first rows",
                  {"linear"},
                  {{4, 5}, {4}, {3, 4}},
                  normal_rows({6, 5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::linear(x.transpose(0, 1), p[0], p[1]).tanh();  // [time, n, 4]
                    return torch::linear(h, p[2]).select(0, -1);
                  }});
  list.push_back(
      {"multi-head attention, time first",
       {"linear"},
       {{12, 4}, {12}, {4, 4}, {4}},
       normal_rows({5, 4}),
       [](const Tensors& p, Tensor x) {
         const Tensor t = x.transpose(0, 1);
         const auto options =
             F::MultiheadAttentionForwardFuncOptions(4, 2, p[0], p[1], {}, {}, false, 0.0, p[2], p[3]);
         return std::get<0>(F::multi_head_attention_forward(t, t, t, options)).transpose(0, 1).tanh().sum(1);
       }});
  list.push_back(
      {"attention to something else, with slices of one weight",
       {"linear"},
       {{12, 4}, {12}, {4, 4}, {4}},
       normal_rows({5, 4}),
       [](const Tensors& p, Tensor x) {
         const Tensor t = x.transpose(0, 1), q = t.slice(0, 0, 2).sin();
         const auto options =
             F::MultiheadAttentionForwardFuncOptions(4, 2, p[0], p[1], {}, {}, false, 0.0, p[2], p[3]);
         return std::get<0>(F::multi_head_attention_forward(q, t, t, options)).permute({1, 2, 0}).sum(2);
       }});
  list.push_back({"a matrix on the left of columns",
                  {"linear without bias"},
                  {{3, 5}},
                  normal_rows({5}),
                  [](const Tensors& p, Tensor x) { return p[0].mm(x.t()).tanh().t(); }});
  list.push_back({"a learned token in front",
                  {"expanded parameter", "linear"},
                  {{1, 1, 4}, {4, 4}, {4}},
                  normal_rows({5, 4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor t = torch::cat({p[0].expand({x.size(0), 1, 4}), x}, 1);
                    return torch::softmax(torch::linear(t, p[1], p[2]), 1).select(1, 0);
                  }});
  list.push_back({"one sample at a time in a loop",
                  {"linear"},
                  {{4, 5}, {4}},
                  normal_rows({5}),
                  [](const Tensors& p, Tensor x) {
                    Tensors rows;
                    for (const Tensor& row : x.unbind(0))
                      rows.push_back(torch::linear(row.unsqueeze(0), p[0], p[1]).tanh().sum());
                    return torch::stack(rows).unsqueeze(1);
                  }});
  list.push_back(
      {"rows put in another order",
       {"linear", "layer norm"},
       {{4, 5}, {4}, {4}},
       normal_rows({5}),
       [](const Tensors& p, Tensor x) {
         Tensor order = torch::arange(x.size(0) - 1, -1, -1, torch::kLong);
         order = torch::cat({order.slice(0, order.size(0) / 2), order.slice(0, 0, order.size(0) / 2)});
         const Tensor back = order.argsort();
         const Tensor h = torch::linear(x.index_select(0, order), p[0], p[1]);
         return torch::layer_norm(h.flip({0}), {4}, p[2]).flip({0}).index_select(0, back).tanh();
       }});
  list.push_back({"halves of a batch, joined",
                  {"linear", "linear without bias"},
                  {{4, 5}, {4}, {4, 5}},
                  normal_rows({5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::linear(x, p[0], p[1]) + torch::linear(x, p[2]);
                    const int64_t half = x.size(0) / 2;
                    return torch::cat({h.slice(0, 0, half).tanh(), h.slice(0, half).tanh()}, 0);
                  }});
  list.push_back(
      {"positions first, normalised and shifted",
       {"layer norm", "multiplied parameter", "added parameter"},
       {{6}, {6}, {4, 1, 6}, {4, 1, 1}},
       normal_rows({4, 6}),
       [](const Tensors& p, Tensor x) {
         const Tensor t = x.transpose(0, 1);
         return ((torch::layer_norm(t, {6}, p[0], p[1]) * p[2]).tanh() + p[3]).permute({1, 0, 2}).flatten(1);
       }});
  list.push_back(
      {"tokens, time first", {"embedding"}, {{7, 3}}, token_rows(7, {5}), [](const Tensors& p, Tensor x) {
         return torch::embedding(p[0], x.t()).tanh().mean(0);
       }});
  list.push_back({"images of each sample, first by image",
                  {"convolution", "group norm"},
                  {{4, 2, 3, 3}, {4}, {4}, {4}},
                  normal_rows({3, 2, 5, 5}),
                  [](const Tensors& p, Tensor x) {
                    const int64_t n = x.size(0);
                    const Tensor images = x.transpose(0, 1).reshape({3 * n, 2, 5, 5});
                    const Tensor h =
                        torch::group_norm(torch::conv2d(images, p[0], p[1], 1, 1), 2, p[2], p[3]);
                    return h.tanh().mean(at::IntArrayRef({2, 3})).view({3, n, 4}).sum(0);
                  }});
  return list;
}

}  // namespace discreet::testing_models
