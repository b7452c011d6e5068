// Steps of random models that work along the batch, or take another dimension for it: most of them mix
// samples, some only where sizes happen to allow it.
#include <algorithm>

#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

struct Named {
  const char* name;
  Tensor (*of)(const Tensor&, int64_t);  // the value and its dimension with the batch; as large a value
};

Tensor shifted_by_padding(const Tensor& x, int64_t d) {
  Shape pad(2 * (x.dim() - d), 0);
  pad[pad.size() - 2] = 1;
  pad[pad.size() - 1] = -1;
  return torch::constant_pad_nd(x, pad);
}

Tensor rows_first(const Tensor& x, int64_t d) {
  return x.movedim(d, 0).reshape({x.size(d), -1});
}

Tensor rows_back(const Tensor& rows, const Tensor& x, int64_t d) {
  return rows.reshape(x.movedim(d, 0).sizes()).movedim(0, d);
}

Tensor indexed(const Tensor& x, int64_t d, const Tensor& index) {
  std::vector<at::indexing::TensorIndex> indices(d, at::indexing::Slice());
  indices.emplace_back(index);
  return x.index(indices);
}

Tensor index_by_values(const Tensor& x, int64_t d) {
  return (rows_first(x, d).detach().sum(1) * 10).abs().to(torch::kLong).remainder(x.size(d));
}

Tensor normalised(const Tensor& x, const Tensor& as) {
  return torch::batch_norm(x.reshape({as.size(0), as.size(1), -1}), {}, {}, {}, {}, true, 0.1, 0.1, false);
}

// Across the samples.
const std::vector<Named>& mixers() {
  static const std::vector<Named> list = {
      {"rolled", [](const Tensor& x, int64_t d) { return x.roll(1, d); }},
      {"flipped", [](const Tensor& x, int64_t d) { return x.flip({d}); }},
      {"added to itself rolled", [](const Tensor& x, int64_t d) { return x + x.roll(1, d); }},
      {"times itself flipped", [](const Tensor& x, int64_t d) { return x * x.flip({d}); }},
      {"rolled as one row", [](const Tensor& x, int64_t) { return x.roll(1); }},
      {"rolled in two dimensions",
       [](const Tensor& x, int64_t d) {
         return x.roll({1, 1}, {d, (d + 1) % x.dim()});
       }},
      {"minus the batch's mean", [](const Tensor& x, int64_t d) { return x - x.mean(d, true); }},
      {"over the batch's sum", [](const Tensor& x, int64_t d) { return x / (x.square().sum(d, true) + 1); }},
      {"the batch's largest", [](const Tensor& x, int64_t d) { return x.amax(d, true).expand_as(x); }},
      {"minus the mean of all", [](const Tensor& x, int64_t) { return x - x.mean(); }},
      {"times the norm of all", [](const Tensor& x, int64_t) { return x * x.square().sum().rsqrt(); }},
      {"cumulative", [](const Tensor& x, int64_t d) { return x.cumsum(d) / x.size(d); }},
      {"cumulative product", [](const Tensor& x, int64_t d) { return (x.sin() + 1.2).cumprod(d); }},
      {"softmax of the batch", [](const Tensor& x, int64_t d) { return x.softmax(d); }},
      {"logcumsumexp of the batch", [](const Tensor& x, int64_t d) { return x.logcumsumexp(d); }},
      {"sorted", [](const Tensor& x, int64_t d) { return std::get<0>(x.sort(d)); }},
      {"the largest of each", [](const Tensor& x, int64_t d) { return std::get<0>(x.topk(x.size(d), d)); }},
      {"shifted by padding", shifted_by_padding},
      {"plus shifted by padding", [](const Tensor& x, int64_t d) { return x + shifted_by_padding(x, d); }},
      {"the first sample for all", [](const Tensor& x, int64_t d) { return x - x.slice(d, 0, 1); }},
      {"shifted by cat",
       [](const Tensor& x, int64_t d) {
         return torch::cat({x.slice(d, 1), x.slice(d, 0, 1)}, d);
       }},
      {"the first twice, by cat",
       [](const Tensor& x, int64_t d) {
         return torch::cat({x.slice(d, 0, 1), x.slice(d, 0, x.size(d) - 1)}, d);
       }},
      {"rows by values, index_select",
       [](const Tensor& x, int64_t d) { return x.index_select(d, index_by_values(x, d)); }},
      {"rows by values, index",
       [](const Tensor& x, int64_t d) { return indexed(x, d, index_by_values(x, d)); }},
      {"rows by values, gather",
       [](const Tensor& x, int64_t d) {
         Shape shape(x.dim(), 1);
         shape[d] = x.size(d);
         return x.gather(d, index_by_values(x, d).view(shape).expand(x.sizes()));
       }},
      {"one row for all, index_select",
       [](const Tensor& x, int64_t d) { return x.index_select(d, torch::zeros({x.size(d)}, torch::kLong)); }},
      {"repeated and cut",
       [](const Tensor& x, int64_t d) {
         Shape times(x.dim(), 1);
         times[d] = 2;
         return x.repeat(times).slice(d, x.size(d) / 2, x.size(d) / 2 + x.size(d));
       }},
      {"unfolded",
       [](const Tensor& x, int64_t d) {
         return torch::cat({x, x.slice(d, 0, 1)}, d).unfold(d, 2, 1).sum(-1);
       }},
      {"batch norm",
       [](const Tensor& x, int64_t d) {
         return rows_back(torch::batch_norm(rows_first(x, d), {}, {}, {}, {}, true, 0.1, 0.1, false), x, d);
       }},
      {"normalised with the batch as channels",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d).unsqueeze(0);
         return rows_back(torch::group_norm(rows, 1, {}, {}, 0.1).squeeze(0), x, d);
       }},
      {"instance norm with the batch as channels",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d).unsqueeze(0);
         return rows_back(normalised(rows, rows).squeeze(0), x, d);
       }},
      {"layer norm over the batch",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d).t();
         return rows_back(torch::layer_norm(rows, {x.size(d)}, {}, {}, 0.1).t(), x, d);
       }},
      {"attention of the batch",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d);
         return rows_back(rows.mm(rows.t()).softmax(1).mm(rows), x, d);
       }},
      {"times a matrix over the batch",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d), ones = torch::ones({x.size(d), x.size(d)}, x.options());
         return rows_back(ones.tril().mm(rows) / x.size(d), x, d);
       }},
      {"convolved along the batch",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d).t().unsqueeze(1), kernel = torch::ones({1, 1, 3}, x.options());
         return rows_back(torch::conv1d(rows, kernel, {}, 1, 1).squeeze(1).t(), x, d);
       }},
      {"pooled along the batch",
       [](const Tensor& x, int64_t d) {
         const Tensor rows = rows_first(x, d).t().unsqueeze(0);
         return rows_back(torch::avg_pool1d(rows, 3, 1, 1).squeeze(0).t(), x, d);
       }},
      {"a state from sample to sample",
       [](const Tensor& x, int64_t d) {
         std::vector<Tensor> states{x.select(d, 0)};
         for (int64_t i = 1; i < x.size(d); ++i) states.push_back((x.select(d, i) + states.back()).tanh());
         return torch::stack(states, d);
       }},
      {"a row written over another",
       [](const Tensor& x, int64_t d) {
         Tensor t = x.clone();
         t.select(d, 0).copy_(x.select(d, -1));
         return t;
       }},
      {"rows written one further",
       [](const Tensor& x, int64_t d) {
         Tensor t = torch::zeros(x.sizes(), x.options());
         t.slice(d, 1).copy_(x.slice(d, 0, x.size(d) - 1));
         return t + x;
       }},
      {"written in the other order",
       [](const Tensor& x, int64_t d) {
         Tensor t = torch::zeros(x.sizes(), x.options());
         for (int64_t i = 0; i < x.size(d); ++i) t.select(d, i).copy_(x.select(d, x.size(d) - 1 - i));
         return t * x;
       }},
  };
  return list;
}

bool across(Builder& b) {
  const int64_t x = b.value();
  if (!b.trained(x)) return false;
  const Named& one = b.one_of(mixers());
  const int64_t d = b.batch(x);
  return b.map(x, std::string(" ") + one.name + " along " + std::to_string(d), b.dims(x),
               [d, one](const Tensor& t) { return one.of(t, d); });
}

// The batch and another dimension that is as large change places, and nobody says so: then element by
// element with what it was, or as it is.
bool confused(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0 || !b.trained(x)) return false;
  const int64_t batch = b.batch(x), size = b.dims(x)[batch].of(b.samples());
  const int64_t way = b.below(4);
  if (b.samples() == 1 || b.dims(x)[d].before != size) return false;
  static const std::vector<const char*> names = {" for", " plus", " times", " where"};
  return b.map(x,
               std::string(names[way]) + " itself with dimensions " + std::to_string(batch) + " and " +
                   std::to_string(d) + " confused",
               b.dims(x), [=](const Tensor& t) {
                 const Tensor turned = t.transpose(batch, d);
                 if (way == 0) return turned.clone();
                 if (way == 1) return t + turned;
                 if (way == 2) return t * turned;
                 return torch::where(torch::ones(t.sizes()).tril() > 0, t, turned);
               });
}

// Read in another order of the dimensions: the batch's numbers lie elsewhere.
bool misread(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0 || !b.trained(x)) return false;
  const int64_t batch = b.batch(x), way = b.below(2);
  return b.map(x,
               " misread by way " + std::to_string(way) + ", dimensions " + std::to_string(batch) + " and " +
                   std::to_string(d),
               b.dims(x), [=](const Tensor& t) {
                 const Tensor turned = t.transpose(batch, d).reshape(t.sizes());
                 return way == 0 ? turned : turned + t;
               });
}

// Products of what two samples have.
bool between_samples(Builder& b) {
  const int64_t x = b.value(3, -1);
  if (x < 0 || !b.trained(x)) return false;
  const int64_t d = b.batch(x), way = b.below(2);
  return b.map(x, " by products between samples along " + std::to_string(d) + ", way " + std::to_string(way),
               b.dims(x), [=](const Tensor& t) {
                 const Tensor rows = t.movedim(d, 1);  // [k, samples, m]
                 const Tensor weights = rows.bmm(rows.transpose(1, 2)).tanh() / t.size(d);
                 const Tensor mixed = way == 0 ? weights.bmm(rows) : weights.transpose(1, 2).matmul(rows);
                 return mixed.movedim(1, d);
               });
}

}  // namespace

std::vector<Step> mixing_steps() {
  return {{"across", across},
          {"across", across},
          {"across", across},
          {"across", across},
          {"confused", confused},
          {"misread", misread},
          {"between samples", between_samples}};
}

}  // namespace discreet::random_graphs
