// Products of tensors of the batch with parameters, beside those of plain layers, and parameters that enter
// element by element.
#include "discreet/dp/rules/rules_testing.h"

namespace discreet::testing_models {

std::vector<Model> product_models() {
  std::vector<Model> list;
  list.push_back(
      {"a bilinear layer", {"bilinear"}, {{3, 4, 5}, {3}}, normal_rows({9}), [](const Tensors& p, Tensor x) {
         return torch::bilinear(x.slice(1, 0, 4), x.slice(1, 4), p[0], p[1]).sin();
       }});
  list.push_back({"bilinear layers at every position, time first, one twice",
                  {"bilinear"},
                  {{4, 4, 4}, {2, 4, 3}},
                  normal_rows({6, 4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor t = x.transpose(0, 1);
                    const Tensor h = torch::bilinear(t.sin(), t, p[0]).tanh();
                    const Tensor twice = torch::bilinear(h, t, p[0]).tanh();
                    return torch::bilinear(twice, h.slice(2, 1), p[1]).sin().sum(0);
                  }});
  list.push_back({"a matrix for each head, right and left",
                  {"matrices side by side", "matrices side by side with bias"},
                  {{3, 4, 5}, {3, 2, 5}, {3, 2, 2}, {3, 1, 2}},
                  normal_rows({3, 4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = x.transpose(0, 1).bmm(p[0]).tanh();  // [heads, n, 5]
                    const Tensor c = p[1].bmm(h.transpose(1, 2)).sin();   // [heads, 2, n]
                    const Tensor b = torch::baddbmm(p[3], c.transpose(1, 2), p[2], 0.5, 2);
                    return b.permute({1, 0, 2}).flatten(1).tanh();
                  }});
  list.push_back({"a matrix for each head at many positions, one twice",
                  {"matrices side by side"},
                  {{2, 3, 3}},
                  normal_rows({2, 6, 3}),
                  [](const Tensors& p, Tensor x) {
                    const int64_t n = x.size(0);
                    const Tensor rows = x.transpose(0, 1).reshape({2, n * 6, 3});
                    const Tensor h = rows.bmm(p[0]).tanh().bmm(p[0]).sin();
                    return h.view({2, n, 6, 3}).sum(at::IntArrayRef({0, 2}));
                  }});
  list.push_back({"sums over indices by their names",
                  {"matrices side by side"},
                  {{3, 4, 5}, {5, 2}, {2, 3, 3}},
                  normal_rows({3, 4}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::einsum("nhk,hkm->nhm", {x, p[0]}).tanh();
                    const Tensor o = torch::einsum("nhm,mo->nho", {h, p[1]}).sin();
                    return torch::einsum("nho,ohj->nj", {o, p[2]}).tanh();
                  }});
  list.push_back({"matrices in front of columns, expanded by hand and by broadcasting",
                  {"expanded parameter", "linear without bias"},
                  {{4, 5}, {3, 4}},
                  normal_rows({5, 2}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = p[0].expand({x.size(0), 4, 5}).bmm(x).tanh();
                    return torch::matmul(p[1], h).sin().flatten(1);
                  }});
  list.push_back({"rows with vectors",
                  {"matrix and vector", "matrix and vector with bias"},
                  {{5}, {5}, {5}, {1}},
                  normal_rows({4, 5}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor scores = torch::matmul(x, p[0]).softmax(1);  // [n, 4]
                    const Tensor pooled = (x * scores.unsqueeze(2)).sum(1);
                    const Tensor one = torch::addmv(p[3], pooled, p[2], 0.5, 2);
                    return torch::stack({pooled.tanh().mv(p[1]), one.sin()}, 1);
                  }});
  list.push_back({"one sample at a time with vectors",
                  {"matrix and vector", "two vectors", "added parameter"},
                  {{4, 5}, {4}, {4}, {}, {4}, {4, 4}},
                  normal_rows({5}),
                  [](const Tensors& p, Tensor x) {
                    Tensors rows;
                    for (const Tensor& row : x.unbind(0)) {
                      const Tensor h = torch::addmv(p[4], p[5], p[0].mv(row).tanh() + p[1]);
                      rows.push_back(h.dot(p[2]).sin() * p[3]);
                    }
                    return torch::stack(rows);
                  }});
  list.push_back({"parameters chosen, interpolated and multiplied in",
                  {"chosen parameter", "parameter of lerp", "parameter of addcmul"},
                  {{6}, {4, 6}, {6}, {6}, {4, 1}, {6}, {6}},
                  normal_rows({4, 6}),
                  [](const Tensors& p, Tensor x) {
                    Tensor h = torch::where(x > 0, x.sin(), p[0]) + torch::where(x > 1, p[1], x);
                    h = torch::lerp(h, p[2], p[3]) + torch::lerp(p[2], h, p[4]).tanh();
                    return torch::addcmul(p[5], h, p[6], 0.5).sin().flatten(1) + h.sum(1).repeat({1, 4});
                  }});
  list.push_back(
      {"repeated parameters",
       {"repeated parameter"},
       {{4}, {1, 1, 4}, {1, 2}, {3}},
       normal_rows({5, 4}),
       [](const Tensors& p, Tensor x) {
         const int64_t n = x.size(0);
         Tensor h = torch::cat({p[1].repeat({n, 1, 1}), x.sin(), p[0].repeat({n, 2, 1})}, 1);
         h = h * p[2].tanh().repeat({n, 8, 2});
         return h.transpose(0, 1).sum(2).t() + p[3].exp().repeat({8, n}).view({8, n, 3}).sum(2).t();
       }});
  return list;
}

}  // namespace discreet::testing_models
