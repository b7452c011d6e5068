// Steps of random models that move, cut, join and reduce dimensions without the batch, or move the batch.
#include <algorithm>
#include <numeric>

#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

std::string s(int64_t number) {
  return std::to_string(number);
}

bool transpose(Builder& b) {
  const int64_t x = b.value();
  Dims dims = b.dims(x);
  const auto rank = static_cast<int64_t>(dims.size());
  const int64_t i = b.below(rank), j = b.below(rank);
  std::swap(dims[i], dims[j]);
  const bool negative = b.chance(0.3);
  return b.map(x, ".transpose(" + s(i) + ", " + s(j) + ")", dims,
               [=](const Tensor& t) { return negative ? t.transpose(i - rank, j) : t.transpose(i, j); });
}

bool turn_matrix(Builder& b) {
  const int64_t x = b.value(2, -1);
  if (x < 0) return false;
  return b.map(x, ".t()", {b.dims(x)[1], b.dims(x)[0]}, [](const Tensor& t) { return t.t(); });
}

bool permute(Builder& b) {
  const int64_t x = b.value();
  Shape order(b.dims(x).size());
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[b.below(static_cast<int64_t>(i))]);
  Dims dims;
  for (int64_t d : order) dims.push_back(b.dims(x)[d]);
  return b.map(x, ".permute(" + text_of(order) + ")", dims,
               [order](const Tensor& t) { return t.permute(order); });
}

// Two neighbours as one dimension.
bool merge(Builder& b) {
  const int64_t x = b.value();
  Dims dims = b.dims(x);
  if (dims.size() < 2) return false;
  const int64_t d = b.below(static_cast<int64_t>(dims.size()) - 1);
  Dim& left = dims[d];
  const Dim right = dims[d + 1];
  if (left.batch) {
    left.behind *= right.before;
  } else if (right.batch) {
    left = {left.before * right.before, true, right.behind};
  } else {
    left.before *= right.before;
  }
  dims.erase(dims.begin() + d + 1);
  return b.map(x, ".flatten(" + s(d) + ", " + s(d + 1) + ")", dims,
               [d](const Tensor& t) { return t.flatten(d, d + 1); });
}

bool split_dimension(Builder& b) {
  const int64_t x = b.value();
  Dims dims = b.dims(x);
  const int64_t d = b.chance(0.5) ? b.batch(x) : b.below(static_cast<int64_t>(dims.size()));
  const Dim dim = dims[d];
  Dim left = dim, right;
  if (dim.batch) {
    if (b.chance(0.5)) {
      left = {dim.before};
      right = {1, true, dim.behind};
    } else {
      left = {dim.before, true, 1};
      right = {dim.behind};
    }
  } else {
    for (int64_t k = 2; k <= dim.before; ++k)
      if (dim.before % k == 0) {
        left = {dim.before / k};
        right = {k};
        break;
      }
  }
  dims[d] = left;
  dims.insert(dims.begin() + d + 1, right);
  const std::string text = " with dimension " + s(d) + " split";
  return b.add("v" + s(x) + text, {x}, dims,
               [=](const Run& run) { return run.values[x].reshape(shape_of(dims, run.samples)); });
}

bool unsqueeze(Builder& b) {
  const int64_t x = b.value();
  Dims dims = b.dims(x);
  const int64_t d = b.below(static_cast<int64_t>(dims.size()) + 1);
  dims.insert(dims.begin() + d, Dim{1});
  return b.map(x, ".unsqueeze(" + s(d) + ")", dims, [d](const Tensor& t) { return t.unsqueeze(d); });
}

bool squeeze(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0 || b.dims(x)[d].before != 1) return false;
  Dims dims = b.dims(x);
  dims.erase(dims.begin() + d);
  return b.map(x, ".squeeze(" + s(d) + ")", dims, [d](const Tensor& t) { return t.squeeze(d); });
}

// A free dimension d of x gets this size.
Dims resized(Builder& b, int64_t x, int64_t d, int64_t size) {
  Dims dims = b.dims(x);
  dims[d] = {size};
  return dims;
}

bool slice(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const int64_t size = b.dims(x)[d].before, start = b.below(size), step = 1 + b.below(2);
  const int64_t length = 1 + b.below((size - start + step - 1) / step);
  return b.map(x, ".slice(" + s(d) + ", " + s(start) + ", step " + s(step) + ")[" + s(length) + "]",
               resized(b, x, d, length), [=](const Tensor& t) {
                 return t.slice(d, start - size, start + (length - 1) * step + 1, step);
               });
}

bool select(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const int64_t index = b.below(b.dims(x)[d].before);
  Dims dims = b.dims(x);
  dims.erase(dims.begin() + d);
  const bool from_the_end = b.chance(0.3);
  const int64_t size = b.dims(x)[d].before;
  return b.map(x, ".select(" + s(d) + ", " + s(index) + ")", dims,
               [=](const Tensor& t) { return t.select(d, from_the_end ? index - size : index); });
}

// Pieces of a dimension, worked on and joined in another order.
bool pieces(Builder& b) {
  const int64_t x = b.value(), d = b.free(x), way = b.below(4);
  if (d < 0 || b.dims(x)[d].before < 2) return false;
  const int64_t size = b.dims(x)[d].before, cut = 1 + b.below(size - 1);
  return b.map(x, " cut along " + s(d) + " by way " + s(way) + " at " + s(cut) + " and joined", b.dims(x),
               [=](const Tensor& t) {
                 std::vector<Tensor> parts;
                 if (way == 0) parts = t.split(cut, d);
                 if (way == 1) parts = t.split_with_sizes({cut, size - cut}, d);
                 if (way == 2) parts = t.chunk(2, d);
                 if (way == 3) parts = t.unbind(d);
                 parts.front() = parts.front().sin();
                 std::reverse(parts.begin(), parts.end());
                 return way == 3 ? torch::stack(parts, d) : torch::cat(parts, d);
               });
}

bool join(Builder& b) {
  const int64_t x = b.value(), y = b.like(x), d = b.free(x);
  const std::string of = "(v" + s(x) + ", v" + s(y) + ", ";
  if (d >= 0 && b.chance(0.5))
    return b.add("cat" + of + s(d) + ")", {x, y}, resized(b, x, d, 2 * b.dims(x)[d].before),
                 [=](const Run& run) {
                   return torch::cat({run.values[x], run.values[y]}, d);
                 });
  Dims dims = b.dims(x);
  const int64_t at = b.below(static_cast<int64_t>(dims.size()) + 1);
  dims.insert(dims.begin() + at, Dim{2});
  return b.add("stack" + of + s(at) + ")", {x, y}, dims, [=](const Run& run) {
    return torch::stack({run.values[x], run.values[y]}, at);
  });
}

bool reorder(Builder& b) {
  const int64_t x = b.value(), d = b.free(x), way = b.below(5);
  if (d < 0) return false;
  const int64_t size = b.dims(x)[d].before, length = way < 2 ? size : 1 + b.below(4);
  Shape list;
  for (int64_t i = 0; i < length; ++i) list.push_back(b.below(size));
  const int64_t shift = b.below(2 * size) - size;
  const Tensor index = torch::tensor(list, torch::kLong);
  static const std::vector<const char*> names = {"flip", "roll", "index_select", "index", "gather"};
  const std::string text = way == 0 ? "" : way == 1 ? ", " + s(shift) : ", " + text_of(list);
  return b.map(x, "." + std::string(names[way]) + "(" + s(d) + text + ")", resized(b, x, d, length),
               [=](const Tensor& t) -> Tensor {
                 if (way == 0) return t.flip({d});
                 if (way == 1) return t.roll(shift, d);
                 if (way == 2) return t.index_select(d, index);
                 if (way == 3) {
                   std::vector<at::indexing::TensorIndex> indices(d, at::indexing::Slice());
                   indices.emplace_back(index);
                   return t.index(indices);
                 }
                 Shape shape(t.dim(), 1), wide = t.sizes().vec();
                 shape[d] = wide[d] = length;
                 return t.gather(d, index.view(shape).expand(wide));
               });
}

bool pad(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const int64_t before = b.below(3) - 1, behind = b.below(3) - 1;
  const int64_t size = b.dims(x)[d].before + before + behind;
  if (size < 1) return false;
  Shape numbers(2 * (b.dims(x).size() - d), 0);
  numbers[numbers.size() - 2] = before;
  numbers[numbers.size() - 1] = behind;
  return b.map(x, ".constant_pad_nd(" + text_of(numbers) + ")", resized(b, x, d, size),
               [numbers](const Tensor& t) { return torch::constant_pad_nd(t, numbers, 0.2); });
}

bool repeat(Builder& b) {
  const int64_t x = b.value(), d = b.free(x), times = 1 + b.below(2);
  if (d < 0) return false;
  Dims dims = resized(b, x, d, times * b.dims(x)[d].before);
  Shape repeats(dims.size(), 1);
  repeats[d] = times;
  if (b.chance(0.3)) {
    repeats.insert(repeats.begin(), 2);
    dims.insert(dims.begin(), Dim{2});
  }
  return b.map(x, ".repeat(" + text_of(repeats) + ")", dims,
               [repeats](const Tensor& t) { return t.repeat(repeats); });
}

bool expand(Builder& b) {
  const int64_t x = b.value(), times = b.size();
  Dims dims = b.dims(x);
  const int64_t d = b.below(static_cast<int64_t>(dims.size()) + 1);
  dims.insert(dims.begin() + d, Dim{times});
  return b.add(
      "v" + s(x) + " expanded to " + s(times) + " in a new dimension " + s(d), {x}, dims,
      [=](const Run& run) { return run.values[x].unsqueeze(d).expand(shape_of(dims, run.samples)); });
}

bool unfold(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0 || b.dims(x)[d].before < 2) return false;
  Dims dims = resized(b, x, d, b.dims(x)[d].before - 1);
  dims.push_back({2});
  return b.map(x, ".unfold(" + s(d) + ", 2, 1)", dims, [d](const Tensor& t) { return t.unfold(d, 2, 1); });
}

bool lower_part(Builder& b) {
  const int64_t x = b.value();
  const size_t rank = b.dims(x).size();
  if (rank < 3 || b.dims(x)[rank - 1].batch || b.dims(x)[rank - 2].batch) return false;
  return b.map(x, ".tril()", b.dims(x), [](const Tensor& t) { return t.tril(); });
}

struct Named {
  const char* name;
  Tensor (*of)(const Tensor&, int64_t, bool);
};

bool reduce(Builder& b) {
  static const std::vector<Named> list = {
      {"sum", [](const Tensor& x, int64_t d, bool keep) { return x.sum(d, keep); }},
      {"mean", [](const Tensor& x, int64_t d, bool keep) { return x.mean(d, keep); }},
      {"amax", [](const Tensor& x, int64_t d, bool keep) { return x.amax(d, keep); }},
      {"max", [](const Tensor& x, int64_t d, bool keep) { return std::get<0>(x.max(d, keep)); }},
      {"median", [](const Tensor& x, int64_t d, bool keep) { return std::get<0>(x.median(d, keep)); }},
      {"logsumexp", [](const Tensor& x, int64_t d, bool keep) { return x.logsumexp(d, keep); }},
      {"prod", [](const Tensor& x, int64_t d, bool keep) { return (x.sin() + 1.5).prod(d, keep); }},
      {"norm", [](const Tensor& x, int64_t d, bool keep) { return (x.sin() + 2).norm(2, d, keep); }},
      {"var", [](const Tensor& x, int64_t d, bool keep) { return x.var(d, /*unbiased=*/false, keep); }},
  };
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const bool keep = b.chance(0.4);
  Dims dims = resized(b, x, d, 1);
  if (!keep) dims.erase(dims.begin() + d);
  const Named& one = b.one_of(list);
  const Tensor ramp = b.ramp(x);
  return b.map(x, std::string(" + ramp, ") + one.name + " over " + s(d) + (keep ? ", kept" : ""), dims,
               [=](const Tensor& t) { return one.of(t + ramp, d, keep); });
}

// All dimensions without the batch.
bool reduce_all(Builder& b) {
  const int64_t x = b.value();
  Shape others;
  for (size_t d = 0; d < b.dims(x).size(); ++d)
    if (!b.dims(x)[d].batch) others.push_back(static_cast<int64_t>(d));
  if (others.empty()) return false;
  const bool mean = b.chance(0.5);
  return b.map(x, std::string(mean ? ".mean(" : ".sum(") + text_of(others) + ")", {b.dims(x)[b.batch(x)]},
               [=](const Tensor& t) { return mean ? t.mean(others) : t.sum(others); });
}

bool scan(Builder& b) {
  static const std::vector<Named> list = {
      {"softmax", [](const Tensor& x, int64_t d, bool) { return x.softmax(d); }},
      {"log_softmax", [](const Tensor& x, int64_t d, bool) { return x.log_softmax(d); }},
      {"cumsum", [](const Tensor& x, int64_t d, bool) { return x.cumsum(d); }},
      {"cumprod", [](const Tensor& x, int64_t d, bool) { return (x.sin() + 2).cumprod(d); }},
      {"logcumsumexp", [](const Tensor& x, int64_t d, bool) { return x.logcumsumexp(d); }},
      {"sort", [](const Tensor& x, int64_t d, bool down) { return std::get<0>(x.sort(d, down)); }},
      {"topk", [](const Tensor& x, int64_t d, bool) { return std::get<0>(x.topk(x.size(d), d)); }},
  };
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const Named& one = b.one_of(list);
  const Tensor ramp = b.ramp(x);
  const bool down = b.chance(0.5);
  return b.map(x, std::string(" + ramp, ") + one.name + " along " + s(d), b.dims(x),
               [=](const Tensor& t) { return one.of(t + ramp, d, down); });
}

}  // namespace

std::vector<Step> dimension_steps() {
  return {{"transpose", transpose},
          {"turn a matrix", turn_matrix},
          {"permute", permute},
          {"merge dimensions", merge},
          {"merge", merge},
          {"split a dimension", split_dimension},
          {"unsqueeze", unsqueeze},
          {"squeeze", squeeze},
          {"slice", slice},
          {"select", select},
          {"pieces", pieces},
          {"join", join},
          {"reorder", reorder},
          {"pad", pad},
          {"repeat", repeat},
          {"expand", expand},
          {"unfold", unfold},
          {"lower part", lower_part},
          {"reduce", reduce},
          {"reduce all", reduce_all},
          {"scan", scan}};
}

}  // namespace discreet::random_graphs
