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
  list.push_back(
      {"numbers moved within a sample",
       {"convolution", "linear"},
       {{4, 2, 3, 3}, {4}, {3, 8}, {3}},
       normal_rows({2, 6, 6}),
       [](const Tensors& p, Tensor x) {
         Tensor h = torch::conv2d(x, p[0], p[1], 1, 1).tanh();  // [n, 4, 6, 6]
         h = torch::pixel_shuffle(h, 2).repeat({1, 4, 1, 1});
         h = torch::pixel_unshuffle(h, 3).roll({1, -2, 3}, {2, 3, 2}) * 0.5;  // [n, 36, 4, 4]
         h = torch::col2im(torch::im2col(h, {2, 2}, {1, 1}, {0, 0}, {2, 2}), {4, 4}, {2, 2}, {1, 1}, {0, 0},
                           {2, 2});
         h = h.index_select(1, torch::tensor({5, 0, 5, 7})).unfold(2, 2, 1);  // [n, 4, 3, 4, 2]
         h = h.reshape({x.size(0), 12, 8}).gather(2, torch::arange(8).flip({0}).expand({x.size(0), 5, 8}));
         return torch::linear(h, p[2], p[3]).sin().sum(1);
       }});
  list.push_back({"resized and pooled",
                  {"convolution"},
                  {{3, 2, 2, 2}, {3}, {3, 2, 3}},
                  normal_rows({2, 7, 7}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::conv2d(x, p[0], p[1]).tanh();  // [n, 3, 6, 6]
                    Tensor all = std::get<0>(torch::adaptive_max_pool2d(h, {3, 2})).flatten(1);
                    const auto to = F::InterpolateFuncOptions().size(std::vector<int64_t>{4, 3});
                    const auto smooth = F::InterpolateFuncOptions(to).align_corners(false);
                    Tensor sizes =
                        F::interpolate(h, F::InterpolateFuncOptions(to).mode(torch::kNearest)) *
                        F::interpolate(h, F::InterpolateFuncOptions(smooth).mode(torch::kBilinear));
                    sizes = sizes +
                            F::interpolate(h, F::InterpolateFuncOptions(smooth).mode(torch::kBicubic)) +
                            F::interpolate(h, F::InterpolateFuncOptions(to).mode(torch::kArea));
                    sizes = torch::_upsample_nearest_exact2d(sizes, {2, 3}) +
                            torch::replication_pad2d(sizes, {0, 0, -1, -1});
                    const Tensor line = torch::conv1d(x.flatten(2), p[2]).sin();  // [n, 3, 47]
                    const Tensor pooled = torch::avg_pool1d(line, 5, 3) + torch::max_pool1d(line, 5, 3) +
                                          torch::adaptive_avg_pool1d(line, 15) +
                                          std::get<0>(torch::adaptive_max_pool1d(line, 15));
                    return torch::cat({all, sizes.flatten(1), pooled.flatten(1)}, 1);
                  }});
  list.push_back({"element by element and along a row",
                  {"linear"},
                  {{6, 5}, {6}, {6, 5}},
                  normal_rows({4, 5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::linear(x, p[0], p[1]), k = torch::linear(x, p[2]);
                    Tensor a = torch::glu(h, 2).sum(2) + torch::logcumsumexp(h, 1).mean(2) +
                               torch::cosine_similarity(h, k, 2) + torch::softmax(-h, 1).prod(2);
                    a = a + torch::celu(k, 0.7).sum(2) + torch::selu(k).mean(2) +
                        torch::rrelu(h, 0.2, 0.3, false).sum(2) + torch::hardshrink(h, 0.3).sum(2);
                    a = a + (h.sin() / 3 + 0.5).logit().sum(2) + torch::cumprod(k.cosh(), 2).mean(2);
                    a = a + torch::logaddexp(h, k).exp2().sum(2) + torch::atan2(h, k.square() + 1).sum(2);
                    const auto [variance, mean] = torch::var_mean(h.tanh().tan().atan(), {2}, true, false);
                    a = a + variance.add(1).log2() * mean + std::get<0>(k.median(2, false)).sinh();
                    return a + (h.erfc() / 3).acos().sum(2) + (k.tanh() / 2).asin().asinh().sum(2) +
                           (h.tanh() / 2).atanh().sum(2) + (k.square() + 2).acosh().log10().sum(2);
                  }});
  list.push_back(
      {"the last step of sequences of different lengths",
       {"linear"},
       {{4, 5}, {4}, {3, 4}},
       normal_rows({6, 5}),
       [](const Tensors& p, Tensor x) {
         const Tensor rows = torch::arange(x.size(0));
         const Tensor last = (x.select(2, 0).select(1, 0).abs() * 100).to(torch::kLong).remainder(6);
         const Tensor h = torch::linear(x, p[0], p[1]).tanh();
         using torch::indexing::Slice;
         const Tensor one = h.index({rows, last}), first = h.index({Slice(), torch::tensor({2, 0, 2})});
         const Tensor t = h.transpose(0, 1).index({last, rows});  // time first
         const Tensor pairs = h.index({rows.unsqueeze(1), torch::tensor({{1, 5, 1}}), -1});
         return torch::linear(one * t, p[2]).sin() + pairs + first.sum(2);
       }});
  list.push_back({"samples rolled, and matrices added up",
                  {"linear", "linear without bias"},
                  {{4, 5}, {4}, {3, 4}},
                  normal_rows({2, 5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::linear(x.roll({1, 2}, {0, 1}), p[0], p[1]).tanh().roll(-1, 0);
                    const Tensor zero = torch::zeros({x.size(0), 3}, x.options());
                    const Tensor both = torch::linear(h, p[2]).transpose(0, 1);  // [2, n, 3]
                    return torch::addbmm(zero, both, torch::ones({2, 3, 3}, x.options()).tril()).sin();
                  }});
  list.push_back(
      {"tensors filled part by part in place",
       {"linear", "linear without bias"},
       {{4, 5}, {4}, {4, 4}},
       normal_rows({6, 5}),
       [](const Tensors& p, Tensor x) {
         using torch::indexing::Slice;
         const int64_t n = x.size(0);
         Tensor states = torch::zeros({6, n, 4}, x.options()), all = torch::zeros({n, 6, 8}, x.options());
         Tensor h = torch::zeros({n, 4}, x.options());
         for (int64_t t = 0; t < 6; ++t) {
           h = (torch::linear(x.select(1, t), p[0], p[1]) + torch::linear(h, p[2])).tanh();
           states.index_put_({t}, h);
         }
         const Tensor turned = states.permute({2, 1, 0});  // [4, n, 6]
         all.permute({2, 0, 1}).slice(0, 1, 8, 2).copy_(turned.sin());
         all.index_put_({Slice(), 2}, h.repeat({1, 2}));
         all.index_put_({Slice(), Slice(3, 5), Slice(0, 4)}, h.unsqueeze(1));
         all.index_put_({Slice(), 1, 3}, 0.7);
         for (int64_t i = 0; i < n; ++i) all.index_put_({i, 5}, states.index({1, i}).repeat({2}));
         Tensor copied = torch::empty_like(all);
         copied.copy_(all.cos());
         return (all * copied).flatten(1);
       }});
  return list;
}

}  // namespace discreet::testing_models
