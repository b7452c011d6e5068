// Single layers and small stacks of them, batch first.
#include <cmath>

#include "discreet/dp/rules/rules_testing.h"

namespace discreet::testing_models {
namespace {

Tensor convolve(Tensor x, Tensor w, Tensor b, int64_t stride, int64_t padding, int64_t dilation,
                int64_t groups) {
  return torch::conv2d(x, w, b, stride, padding, dilation, groups);
}

// Bags of different sizes: of each row of x [n, width] the first x[i][0] of the tokens behind x[i][0].
struct Bags {
  Tensor tokens, offsets;
};

Bags bags_of(const Tensor& x) {
  const Tensor sizes = x.select(1, 0), places = torch::arange(1, x.size(1));
  return {x.slice(1, 1).masked_select(places <= sizes.unsqueeze(1)), sizes.cumsum(0) - sizes};
}

enum Mode { kSum, kMean, kMax };

Tensor embed(const Tensor& table, const Bags& bags, Mode mode, const Tensor& weights = {},
             int64_t padding = -1) {
  return std::get<0>(torch::embedding_bag(table, bags.tokens, bags.offsets, false, mode, false, weights,
                                          /*include_last_offset=*/false, padding));
}

// Running statistics of `channels`.
Tensor running_mean(int64_t channels, const Tensor& like) {
  return torch::arange(channels, like.options()) / 10;
}

Tensor running_variance(int64_t channels, const Tensor& like) {
  return torch::arange(1, channels + 1, like.options()) / 4;
}

}  // namespace

std::vector<Model> layer_models() {
  std::vector<Model> list;
  list.push_back({"two layers",
                  {"linear"},
                  {{7, 5}, {7}, {3, 7}, {3}},
                  [](int64_t n) {
                    return normal({n, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::linear(torch::tanh(torch::linear(x, p[0], p[1])), p[2], p[3]);
                  }});
  list.push_back({"rows of three dimensions",
                  {"linear", "linear without bias"},
                  {{7, 5}, {7}, {3, 7}},
                  [](int64_t n) {
                    return normal({n, 4, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::matmul(torch::relu(torch::linear(x, p[0], p[1])), p[2].t()).mean(1);
                  }});
  list.push_back({"many positions (ghost norms)",
                  {"linear"},
                  {{40, 50}, {40}},
                  [](int64_t n) {
                    return normal({n, 3, 50});
                  },
                  [](const Tensors& p, Tensor x) { return torch::linear(x, p[0], p[1]).pow(2).sum(1); }});
  list.push_back({"bias alone",
                  {"linear"},
                  {{3}},
                  [](int64_t n) {
                    return normal({n, 2, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::linear(x, torch::ones({3, 5}, x.options()), p[0]).sin().sum(1);
                  }});
  list.push_back({"convolutions",
                  {"convolution"},
                  {{6, 3, 3, 3}, {6}, {4, 3, 2, 3}, {4}},
                  [](int64_t n) {
                    return normal({n, 3, 9, 8});
                  },
                  [](const Tensors& p, Tensor x) {
                    x = torch::max_pool2d(torch::tanh(convolve(x, p[0], p[1], 1, 1, 1, 1)), 2);
                    return convolve(x, p[2], p[3], 2, 2, 2, 2).flatten(1);
                  }});
  list.push_back({"depthwise convolution without bias",
                  {"convolution"},
                  {{6, 1, 3, 3}},
                  [](int64_t n) {
                    return normal({n, 3, 6, 6});
                  },
                  [](const Tensors& p, Tensor x) {
                    return convolve(x, p[0], {}, 1, 1, 1, 3).sin().mean({2, 3});
                  }});
  list.push_back({"wide convolution over few positions (ghost norms)",
                  {"convolution"},
                  {{16, 24, 3, 3}, {16}},
                  [](int64_t n) {
                    return normal({n, 24, 4, 4});
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::sigmoid(convolve(x, p[0], p[1], 1, 0, 1, 1)).flatten(1);
                  }});
  list.push_back({"grouped convolution of large images (one after another)",
                  {"convolution"},
                  {{4, 8, 3, 3}, {4}},
                  normal_rows({16, 22, 22}),
                  [](const Tensors& p, Tensor x) {
                    return convolve(x, p[0], p[1], 1, 1, 1, 2).tanh().mean({2, 3});
                  }});
  list.push_back({"transposed convolution of a set of large images (one after another)",
                  {"convolution"},
                  {{4, 8, 3, 3}},
                  normal_rows({2, 4, 17, 17}),
                  [](const Tensors& p, Tensor x) {
                    const Tensor y = torch::conv_transpose2d(x.flatten(0, 1), p[0], Tensor(), 2, 1);
                    return y.tanh().view({x.size(0), 2, -1}).mean(2);
                  }});
  list.push_back(
      {"convolution in one dimension",
       {"convolution"},
       {{4, 3, 3}, {4}},
       [](int64_t n) {
         return normal({n, 3, 11});
       },
       [](const Tensors& p, Tensor x) { return torch::conv1d(x, p[0], p[1], 2, 1, 2).tanh().flatten(1); }});
  list.push_back({"images of a set, flattened into the batch",
                  {"convolution"},
                  {{4, 2, 3, 3}, {4}},
                  [](int64_t n) {
                    return normal({n, 3, 2, 5, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    const int64_t n = x.size(0);
                    return convolve(x.view({n * 3, 2, 5, 5}), p[0], p[1], 1, 1, 1, 1).tanh().view({n, -1});
                  }});
  list.push_back(
      {"layer norm",
       {"layer norm"},
       {{6}, {6}},
       [](int64_t n) {
         return normal({n, 4, 6});
       },
       [](const Tensors& p, Tensor x) { return torch::layer_norm(x, {6}, p[0], p[1]).sin().sum(1); }});
  list.push_back({"group norm",
                  {"group norm"},
                  {{6}, {6}},
                  [](int64_t n) {
                    return normal({n, 6, 3, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::group_norm(x, 3, p[0], p[1]).sin().mean({2, 3});
                  }});
  list.push_back(
      {"embedding with repeated and padding tokens",
       {"embedding"},
       {{5, 3}},
       [](int64_t n) {
         return torch::randint(0, 5, {n, 7}, torch::kLong);
       },
       [](const Tensors& p, Tensor x) { return torch::embedding(p[0], x, /*padding_idx=*/2).sin().sum(1); }});
  list.push_back({"gains, shifts, positions, a temperature",
                  {"added parameter", "subtracted parameter", "multiplied parameter"},
                  {{6}, {4, 6}, {1, 4, 1}, {}},
                  [](int64_t n) {
                    return normal({n, 4, 6});
                  },
                  [](const Tensors& p, Tensor x) {
                    return ((torch::add(x.sin() * p[0], p[1], 2) - p[2]) * p[3]).tanh().flatten(1);
                  }});
  list.push_back({"embedding tied to the output layer",
                  {"embedding", "linear without bias"},
                  {{6, 4}},
                  [](int64_t n) {
                    return torch::randint(0, 6, {n, 3}, torch::kLong);
                  },
                  [](const Tensors& p, Tensor x) {
                    return torch::matmul(torch::embedding(p[0], x).mean(1).tanh(), p[0].t());
                  }});
  list.push_back({"one layer applied three times",
                  {"linear"},
                  {{5, 5}, {5}},
                  [](int64_t n) {
                    return normal({n, 5});
                  },
                  [](const Tensors& p, Tensor x) {
                    for (int i = 0; i < 3; ++i) x = torch::tanh(torch::linear(x, p[0], p[1]));
                    return x;
                  }});
  list.push_back({"attention by hand",
                  {"linear without bias", "layer norm"},
                  {{12, 4}, {4, 4}, {4}, {4}},
                  [](int64_t n) {
                    return normal({n, 5, 4});
                  },
                  [](const Tensors& p, Tensor x) {
                    const auto qkv = torch::matmul(x, p[0].t()).split(4, 2);
                    const Tensor a = torch::softmax(qkv[0].bmm(qkv[1].transpose(1, 2)), 2).bmm(qkv[2]);
                    return torch::layer_norm(x + torch::matmul(a, p[1].t()), {4}, p[2], p[3]).select(1, 0);
                  }});
  list.push_back({"convolution in three dimensions",
                  {"convolution"},
                  {{4, 2, 2, 3, 2}, {4}},
                  normal_rows({2, 5, 6, 5}),
                  [](const Tensors& p, Tensor x) {
                    return torch::conv3d(x, p[0], p[1], {1, 2, 1}, {1, 0, 1}, {2, 1, 1}).tanh().flatten(1);
                  }});
  list.push_back(
      {"grouped convolution in three dimensions",
       {"convolution"},
       {{4, 1, 1, 2, 2}},
       normal_rows({2, 3, 4, 4}),
       [](const Tensors& p, Tensor x) {
         return torch::conv3d(x, p[0], Tensor(), {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, 2).tanh().flatten(1);
       }});
  list.push_back({"transposed convolution in one dimension",
                  {"convolution"},
                  {{3, 4, 3}, {4}},
                  normal_rows({3, 7}),
                  [](const Tensors& p, Tensor x) {
                    return torch::conv_transpose1d(x, p[0], p[1], 3, 1, 2).tanh().flatten(1);
                  }});
  list.push_back(
      {"transposed convolution in two dimensions",
       {"convolution"},
       {{4, 3, 3, 2}, {6}},
       normal_rows({4, 4, 5}),
       [](const Tensors& p, Tensor x) {
         return torch::conv_transpose2d(x, p[0], p[1], {2, 1}, {1, 0}, {1, 0}, 2, {1, 2}).tanh().flatten(1);
       }});
  list.push_back({"transposed convolution in three dimensions",
                  {"convolution"},
                  {{2, 3, 2, 2, 2}},
                  normal_rows({2, 3, 3, 2}),
                  [](const Tensors& p, Tensor x) {
                    return torch::conv_transpose3d(x, p[0], Tensor(), 2).tanh().flatten(1);
                  }});
  list.push_back({"a divisor",
                  {"dividing parameter"},
                  {{6}, {4, 1}},
                  normal_rows({4, 6}),
                  [](const Tensors& p, Tensor x) { return ((x / (p[0] + 0.5)) / p[1]).tanh().flatten(1); }});
  list.push_back({"bags of tokens of different sizes, also none",
                  {"embedding bag"},
                  {{7, 3}, {7, 3}},
                  token_rows(7, {7}),
                  [](const Tensors& p, Tensor x) {
                    const Bags bags = bags_of(x);
                    const Tensor weights = (bags.tokens.to(p[0].scalar_type()) - 2) / 3;
                    return embed(p[0], bags, kSum, weights).tanh() + embed(p[1], bags, kMean, {}, 2).sin() +
                           embed(p[1], bags, kSum);
                  }});
  list.push_back({"the largest of bags of tokens",
                  {"embedding bag"},
                  {{7, 3}, {7, 1}},
                  token_rows(7, {7}),
                  [](const Tensors& p, Tensor x) {
                    const Bags bags = bags_of(x);
                    return embed(p[0], bags, kMax).sin() * embed(p[0], bags, kMax, {}, 3) +
                           embed(p[1], bags, kMax) * embed(p[1], bags, kSum);
                  }});
  list.push_back({"several bags of each sample, first by bag",
                  {"embedding bag"},
                  {{6, 3}, {6, 3}},
                  token_rows(6, {4, 5}),
                  [](const Tensors& p, Tensor x) {
                    const int64_t n = x.size(0);
                    const Bags bags{x.transpose(0, 1).reshape({-1}), torch::arange(0, 20 * n, 5)};
                    const Tensor h = embed(p[0], bags, kMean) * embed(p[1], bags, kMax);
                    return h.view({4, n, 3}).tanh().sum(0);
                  }});
  list.push_back({"batch norm with fixed statistics",
                  {"batch norm"},
                  {{4}, {4}, {3, 4}, {3}, {3}},
                  normal_rows({4, 5}),
                  [](const Tensors& p, Tensor x) {
                    x = torch::batch_norm(x, p[0], p[1], running_mean(4, x), running_variance(4, x), false,
                                          0.1, 1e-5, false);
                    x = torch::linear(x.tanh().mean(2), p[2]);
                    return torch::batch_norm(x, p[3], p[4], running_mean(3, x), running_variance(3, x), false,
                                             0.1, 1e-5, false)
                        .sin();
                  }});
  list.push_back({"instance norm",
                  {"repeated parameter", "batch norm", "convolution"},
                  {{4, 2, 3, 3}, {4}, {4}, {4}, {4}, {4}},
                  normal_rows({2, 5, 6}),
                  [](const Tensors& p, Tensor x) {
                    x = torch::conv2d(x, p[0], p[1]).tanh();
                    x = torch::instance_norm(x, p[2], p[3], {}, {}, true, 0.1, 1e-5, false).tanh();
                    return torch::instance_norm(x, p[4], p[5], running_mean(4, x), running_variance(4, x),
                                                false, 0.1, 1e-5, false)
                        .sin()
                        .mean(at::IntArrayRef({2, 3}));
                  }});
  list.push_back({"learned slopes",
                  {"learned slope"},
                  {{1}, {4}, {3, 4}, {3}},
                  normal_rows({4, 3, 2}),
                  [](const Tensors& p, Tensor x) {
                    x = torch::prelu(torch::prelu(x, p[0]).sin(), p[1]).flatten(2).mean(2);
                    return torch::prelu(torch::linear(x, p[2]), p[3]);
                  }});
  list.push_back({"normalisation by root mean squares",
                  {"multiplied parameter", "linear without bias"},
                  {{5}, {4, 5}, {4}},
                  normal_rows({3, 5}),
                  [](const Tensors& p, Tensor x) {
                    const auto normalised = [](const Tensor& h, const Tensor& gain) {
                      return h * torch::rsqrt(h.pow(2).mean(-1, true) + 1e-6) * gain;
                    };
                    return normalised(torch::linear(normalised(x, p[0]), p[1]), p[2]).tanh().sum(1);
                  }});
  list.push_back(
      {"attention with heads by hand",
       {"linear"},
       {{12, 4}, {12}, {4, 4}, {4}},
       normal_rows({5, 4}),
       [](const Tensors& p, Tensor x) {
         const auto qkv = torch::linear(x, p[0], p[1]).view({-1, 5, 3, 2, 2}).unbind(2);
         const Tensor q = qkv[0].transpose(1, 2), k = qkv[1].transpose(1, 2);
         const Tensor seen = torch::ones({5, 5}, torch::kBool).tril();
         const Tensor scores =
             (q.matmul(k.transpose(2, 3)) / std::sqrt(2.0)).masked_fill(seen.logical_not(), -1e9).softmax(-1);
         const Tensor a = scores.matmul(qkv[2].transpose(1, 2)).transpose(1, 2).reshape({-1, 5, 4});
         return torch::linear(a, p[2], p[3]).tanh().select(1, -1);
       }});
  return list;
}

}  // namespace discreet::testing_models
