// Recurrent networks: one weight at every step.
#include "discreet/dp/rules/rules_testing.h"

namespace discreet::testing_models {
namespace {

// A length from 1 to the longest for each sequence of x [n, time, ...], chosen by its values.
Tensor lengths(const Tensor& x) {
  return (x.select(2, 0).select(1, 0).abs() * 100).to(torch::kLong).remainder(x.size(1)) + 1;
}

}  // namespace

std::vector<Model> recurrent_models() {
  std::vector<Model> list;
  list.push_back({"a recurrent network",
                  {"linear"},
                  {{4, 3}, {4, 4}, {4}, {4}},
                  normal_rows({6, 3}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
                    return std::get<0>(torch::rnn_tanh(x, h, p, true, 1, 0.0, true, false, true)).sum(1);
                  }});
  list.push_back(
      {"a long short-term memory",
       {"linear"},
       {{16, 3}, {16, 4}, {16}, {16}},
       normal_rows({6, 3}),
       [](const Tensors& p, Tensor x) {
         const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
         return std::get<0>(torch::lstm(x, {h, h}, p, true, 1, 0.0, true, false, true)).select(1, -1);
       }});
  list.push_back({"two layers in both directions",
                  {"linear", "linear without bias"},
                  {{8, 3}, {8, 2}, {8, 3}, {8, 2}, {8, 4}, {8, 2}, {8, 4}, {8, 2}},
                  normal_rows({4, 3}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::zeros({4, x.size(0), 2}, x.options());
                    return std::get<0>(
                               torch::lstm(x.transpose(0, 1), {h, h}, p, false, 2, 0.0, true, true, false))
                        .sum(0);
                  }});
  list.push_back({"embedded tokens, the last states of a layer over another, the first states trained",
                  {"embedding", "expanded parameter", "fused long short-term memory"},
                  {{7, 3}, {16, 3}, {16, 4}, {16}, {16}, {16, 4}, {16, 4}, {16}, {16}, {2, 1, 4}, {2, 1, 4}},
                  token_rows(7, {5}),
                  [](const Tensors& p, Tensor x) {
                    const auto [out, h, c] = torch::lstm(
                        torch::embedding(p[0], x),
                        {p[9].expand({2, x.size(0), 4}), p[10].expand({2, x.size(0), 4})},
                        {p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]}, true, 2, 0.0, true, false, true);
                    return torch::cat({h.select(0, 0), c.select(0, 1)}, 1);
                  }});
  list.push_back({"outputs and states of a layer, time first",
                  {"fused long short-term memory"},
                  {{16, 3}, {16, 4}, {16}, {16}},
                  normal_rows({5, 3}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
                    const auto [out, last, cell] =
                        torch::lstm(x.transpose(0, 1), {h, h}, p, true, 1, 0.0, true, false, false);
                    return out.sin().sum(0) + last.squeeze(0) * cell.squeeze(0);
                  }});
  list.push_back({"gated recurrent units",
                  {"linear"},
                  {{12, 3}, {12, 4}, {12}, {12}},
                  normal_rows({5, 3}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
                    return std::get<1>(torch::gru(x, h, p, true, 1, 0.0, true, false, true)).squeeze(0);
                  }});
  list.push_back({"sequences of different lengths, packed",
                  {"linear"},
                  {{5, 3}, {5}, {16, 5}, {16, 4}, {16}, {16}},
                  normal_rows({6, 3}),
                  [](const Tensors& p, Tensor x) {
                    // As nn::utils::rnn::pack_padded_sequence does.
                    const auto [sorted, order] = lengths(x).sort(0, /*descending=*/true);
                    const auto [data, sizes] = torch::_pack_padded_sequence(
                        torch::linear(x, p[0], p[1]).index_select(0, order), sorted, /*batch_first=*/true);
                    const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
                    const Tensor last = std::get<1>(torch::lstm(data, sizes, {h, h}, {p[2], p[3], p[4], p[5]},
                                                                true, 1, 0.0, true, false));
                    return last.index_select(1, order.argsort()).squeeze(0);
                  }});
  list.push_back({"sequences of different lengths, packed and unpacked",
                  {"linear"},
                  {{16, 3}, {16, 4}, {16}, {16}, {3, 4}},
                  normal_rows({6, 3}),
                  [](const Tensors& p, Tensor x) {
                    const auto [sorted, order] = lengths(x).sort(0, /*descending=*/true);
                    const auto [data, sizes] =
                        torch::_pack_padded_sequence(x.index_select(0, order), sorted, /*batch_first=*/true);
                    const Tensor h = torch::zeros({1, x.size(0), 4}, x.options());
                    const Tensor out = std::get<0>(torch::lstm(data, sizes, {h, h}, {p[0], p[1], p[2], p[3]},
                                                               true, 1, 0.0, true, false));
                    // As nn::utils::rnn::pad_packed_sequence does, batch first and time first.
                    const Tensor rows =
                        std::get<0>(torch::_pad_packed_sequence(out, sizes, true, 0.5, x.size(1)));
                    const Tensor steps =
                        std::get<0>(torch::_pad_packed_sequence(out.sin(), sizes, false, 0.0, x.size(1)));
                    return torch::linear(rows + steps.transpose(0, 1), p[4])
                        .index_select(0, order.argsort())
                        .tanh()
                        .flatten(1);
                  }});
  return list;
}

}  // namespace discreet::testing_models
