// Steps of random models that are layers: products with parameters, convolutions, normalisations, tables.
#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

namespace F = torch::nn::functional;

std::string v(int64_t value) {
  return "v" + std::to_string(value);
}

// The last dimension of x of this size instead.
Dims with_last(Builder& b, int64_t x, int64_t size) {
  Dims dims = b.dims(x);
  dims.back() = {size};
  return dims;
}

bool linear(Builder& b) {
  const int64_t x = b.value();
  if (!b.last_is_free(x)) return false;
  const int64_t out = b.size();
  const Weight w = b.weight({out, b.dims(x).back().before});
  if (b.chance(0.4))
    return b.add("linear(" + v(x) + ", " + w.text + ")", {x}, with_last(b, x, out),
                 [x, w](const Run& run) { return torch::linear(run.values[x], w.formula(run)); });
  const Weight bias = b.weight({out});
  return b.add("linear(" + v(x) + ", " + w.text + ", " + bias.text + ")", {x}, with_last(b, x, out),
               [x, w, bias](const Run& run) {
                 return torch::linear(run.values[x], w.formula(run), bias.formula(run));
               });
}

bool product_from_the_right(Builder& b) {
  const int64_t x = b.value();
  if (!b.last_is_free(x)) return false;
  const int64_t out = b.size();
  const Weight w = b.weight({b.dims(x).back().before, out});
  return b.add(v(x) + ".matmul(" + w.text + ")", {x}, with_last(b, x, out),
               [x, w](const Run& run) { return run.values[x].matmul(w.formula(run)); });
}

bool product_from_the_left(Builder& b) {
  const int64_t x = b.value();
  Dims dims = b.dims(x);
  if (dims.size() < 2 || dims[dims.size() - 2].batch) return false;
  const int64_t out = b.size();
  const Weight w = b.weight({out, dims[dims.size() - 2].before});
  dims[dims.size() - 2] = {out};
  return b.add(w.text + ".matmul(" + v(x) + ")", {x}, dims,
               [x, w](const Run& run) { return w.formula(run).matmul(run.values[x]); });
}

// One matrix for each index of the first dimension, on either side, with or without something added.
bool products_side_by_side(Builder& b) {
  const int64_t x = b.value(3, -1);
  if (x < 0 || b.dims(x)[0].batch) return false;
  Dims dims = b.dims(x);
  const bool right = !dims[2].batch;
  const int64_t out = b.size(), heads = dims[0].before;
  const Weight w = b.weight(right ? Shape{heads, dims[2].before, out} : Shape{heads, out, dims[1].before});
  dims[right ? 2 : 1] = {out};
  if (b.chance(0.5))
    return b.add(right ? v(x) + ".bmm(" + w.text + ")" : w.text + ".bmm(" + v(x) + ")", {x}, dims,
                 [=](const Run& run) {
                   return right ? run.values[x].bmm(w.formula(run)) : w.formula(run).bmm(run.values[x]);
                 });
  const Weight added = b.weight(right ? Shape{heads, 1, out} : Shape{heads, out, 1});
  return b.add("baddbmm(" + added.text + ", " + v(x) + ", " + w.text + ")", {x}, dims, [=](const Run& run) {
    const Tensor &t = run.values[x], m = w.formula(run), a = added.formula(run);
    return right ? torch::baddbmm(a, t, m, 0.5, 2) : torch::baddbmm(a, m, t, 2, 0.5);
  });
}

bool product_with_vector(Builder& b) {
  const int64_t x = b.value();
  if (!b.last_is_free(x)) return false;
  Dims dims = b.dims(x);
  const Weight w = b.weight({dims.back().before});
  dims.pop_back();
  const bool added = dims.size() == 1 && b.chance(0.4);
  const Weight shift = b.weight({1});
  return b.add(v(x) + ".matmul(" + w.text + ")" + (added ? " added to " + shift.text : ""), {x}, dims,
               [=](const Run& run) {
                 return added ? torch::addmv(shift.formula(run), run.values[x], w.formula(run), 0.5, 2)
                              : run.values[x].matmul(w.formula(run)) + shift.formula(run);
               });
}

bool bilinear(Builder& b) {
  const int64_t x = b.value(), y = b.like(x);
  if (!b.last_is_free(x)) return false;
  const int64_t in = b.dims(x).back().before, out = b.size();
  const Weight w = b.weight({out, in, in}), bias = b.weight({out});
  return b.add("bilinear(" + v(x) + ", " + v(y) + ", " + w.text + ", " + bias.text + ")", {x, y},
               with_last(b, x, out), [=](const Run& run) {
                 return torch::bilinear(run.values[x], run.values[y], w.formula(run), bias.formula(run));
               });
}

bool convolution(Builder& b) {
  const int64_t x = b.value(3, 0);
  if (x < 0) return false;
  Dims dims = b.dims(x);
  const int64_t in = dims[1].before, groups = in % 2 == 0 && b.chance(0.3) ? 2 : 1;
  const int64_t out = groups * (1 + b.below(3)), size = 1 + b.below(3), stride = 1 + b.below(2);
  const int64_t padding = size / 2;
  const bool turned = b.chance(0.3);
  const Weight w = b.weight(turned ? Shape{in, out / groups, size} : Shape{out, in / groups, size});
  const Weight bias = b.weight({out});
  const int64_t length = dims[2].before, positions = turned ? (length - 1) * stride - 2 * padding + size
                                                            : (length + 2 * padding - size) / stride + 1;
  if (positions < 1) return false;
  dims[1] = {out};
  dims[2] = {positions};
  return b.add((turned ? "conv_transpose1d(" : "conv1d(") + v(x) + ", " + w.text + ", " + bias.text + ", " +
                   std::to_string(stride) + ", " + std::to_string(padding) + ", groups " +
                   std::to_string(groups) + ")",
               {x}, dims, [=](const Run& run) {
                 const Tensor &t = run.values[x], k = w.formula(run), c = bias.formula(run);
                 return turned ? torch::conv_transpose1d(t, k, c, stride, padding, 0, groups)
                               : torch::conv1d(t, k, c, stride, padding, 1, groups);
               });
}

bool convolution_of_images(Builder& b) {
  const int64_t x = b.value(4, 0);
  if (x < 0) return false;
  Dims dims = b.dims(x);
  const int64_t out = 1 + b.below(3), in = dims[1].before;
  const Weight w = b.weight({out, in, 3, 1});
  dims[1] = {out};
  return b.add("conv2d(" + v(x) + ", " + w.text + ", padding {1, 0})", {x}, dims, [=](const Run& run) {
    return torch::conv2d(run.values[x], w.formula(run), {}, 1, Shape{1, 0});
  });
}

bool pooling(Builder& b) {
  const int64_t x = b.value(3, -1);
  if (x < 0 || b.dims(x)[2].batch || b.dims(x)[2].before < 2) return false;
  Dims dims = b.dims(x);
  const int64_t way = b.below(5), size = dims[2].before;
  dims[2] = {way == 3 ? size + 1 : way == 4 ? 2 * size : size - 1};
  static const std::vector<const char*> names = {" average pooling", " largest pooling", " adaptive pooling",
                                                 " reflection pad", " resized"};
  const Tensor ramp = b.ramp(x);
  return b.map(x, std::string(" + ramp,") + names[way], dims, [=](const Tensor& t) {
    const Tensor r = t + ramp;
    if (way == 0) return torch::avg_pool1d(r, 2, 1);
    if (way == 1) return torch::max_pool1d(r, 2, 1);
    if (way == 2) return torch::adaptive_avg_pool1d(r, size - 1);
    if (way == 3) return torch::reflection_pad1d(r, {1, 0});
    return F::interpolate(
        r, F::InterpolateFuncOptions().size(Shape{2 * size}).mode(torch::kLinear).align_corners(false));
  });
}

bool layer_norm(Builder& b) {
  const int64_t x = b.value(), rank = static_cast<int64_t>(b.dims(x).size());
  int64_t most = rank - 1 - b.batch(x);
  if (most < 1) return false;
  Shape shape;
  for (int64_t d = rank - 1 - b.below(most); d < rank; ++d) shape.push_back(b.dims(x)[d].before);
  const Weight w = b.weight(shape), bias = b.weight(shape);
  return b.add("layer_norm(" + v(x) + ", " + w.text + ", " + bias.text + ")", {x}, b.dims(x),
               [=](const Run& run) {
                 return torch::layer_norm(run.values[x], shape, w.formula(run), bias.formula(run), 0.1);
               });
}

Tensor normalised(const Tensor& x, const Tensor& mean, const Tensor& variance, double eps) {
  return (x - mean) / (variance + eps).sqrt();
}

// Of each channel, beside x [rows, channels, ...].
Tensor channels(const Tensor& of, const Tensor& x) {
  Shape shape(x.dim(), 1);
  shape[1] = -1;
  return of.view(shape);
}

bool group_norm(Builder& b) {
  const int64_t x = b.value(3, 0);
  if (x < 0) return false;
  const int64_t count = b.dims(x)[1].before, groups = count % 2 == 0 ? 2 : 1;
  const bool instance = b.chance(0.3) && b.dims(x)[2].before > 1;
  const Weight w = b.weight({count}), bias = b.weight({count});
  return b.add((instance ? "instance_norm(" : "group_norm(") + v(x) + ", " + w.text + ", " + bias.text + ")",
               {x}, b.dims(x), [=](const Run& run) {
                 const Tensor &t = run.values[x], g = w.formula(run), s = bias.formula(run);
                 if (!instance) return torch::group_norm(t, groups, g, s, 0.1);
                 if (!run.by_hand) return torch::instance_norm(t, g, s, {}, {}, true, 0.1, 0.1, false);
                 const Tensor y = normalised(t, t.mean(2, true), t.var(2, /*unbiased=*/false, true), 0.1);
                 return y * channels(g, t) + channels(s, t);
               });
}

bool batch_norm_with_fixed_statistics(Builder& b) {
  const int64_t x = b.value();
  if (b.dims(x).size() < 2 || b.dims(x)[1].batch) return false;
  const int64_t count = b.dims(x)[1].before;
  const Weight w = b.weight({count}), bias = b.weight({count});
  return b.add("batch_norm(" + v(x) + ", " + w.text + ", " + bias.text + ") of fixed statistics", {x},
               b.dims(x), [=](const Run& run) {
                 const Tensor &t = run.values[x], g = w.formula(run), s = bias.formula(run);
                 const Tensor mean = torch::arange(count, torch::kDouble) / 5, variance = mean + 0.5;
                 if (!run.by_hand) return torch::batch_norm(t, g, s, mean, variance, false, 0.1, 1e-5, false);
                 const Tensor y = normalised(t, channels(mean, t), channels(variance, t), 1e-5);
                 return y * channels(g, t) + channels(s, t);
               });
}

bool embedding(Builder& b) {
  const bool turned = b.chance(0.4);
  const int64_t width = b.size(), padding = b.chance(0.3) ? 1 : -1;
  const Weight table = b.weight({kVocabulary, width});
  const int64_t positions = b.positions();
  Dims dims{{1, true, 1}, {positions}, {width}};
  if (turned) std::swap(dims[0], dims[1]);
  return b.add(std::string("embedding(") + table.text + ", tokens" + (turned ? ".t()" : "") + ", " +
                   std::to_string(padding) + ")",
               {}, dims, [=](const Run& run) {
                 return torch::embedding(table.formula(run), turned ? run.tokens.t() : run.tokens, padding);
               });
}

bool bags(Builder& b) {
  const int64_t width = b.size(), positions = b.positions(), mode = b.below(2);
  const Weight table = b.weight({kVocabulary, width});
  return b.add(
      "embedding_bag(" + table.text + ", tokens, mode " + std::to_string(mode) + ")", {},
      {{1, true, 1}, {width}}, [=](const Run& run) {
        return std::get<0>(torch::embedding_bag(table.formula(run), run.tokens.flatten(),
                                                torch::arange(run.samples) * positions, false, mode));
      });
}

// Attention of the positions of each sample to each other.
bool attention(Builder& b) {
  const int64_t x = b.value(3, 0), y = x < 0 ? -1 : b.like(x);
  if (x < 0) return false;
  const int64_t width = b.dims(x)[2].before;
  const Weight w = b.weight({width, width});
  return b.add("attention of " + v(x) + " to " + v(y) + " by " + w.text, {x, y}, b.dims(x),
               [=](const Run& run) {
                 const Tensor k = run.values[y].matmul(w.formula(run));
                 return run.values[x].bmm(k.transpose(1, 2)).softmax(2).bmm(run.values[y]);
               });
}

// The same with the batch and one more dimension in front.
bool matrices_of_a_sample(Builder& b) {
  const int64_t x = b.value(4, -1);
  if (x < 0 || b.batch(x) > 1) return false;
  Dims dims = b.dims(x);
  dims[3] = dims[2];
  return b.map(x, ".matmul(its transpose)", dims,
               [](const Tensor& t) { return t.matmul(t.transpose(2, 3).sin()); });
}

}  // namespace

std::vector<Step> layer_steps() {
  return {{"linear", linear},
          {"linear", linear},
          {"product from the right", product_from_the_right},
          {"product from the left", product_from_the_left},
          {"products side by side", products_side_by_side},
          {"product with a vector", product_with_vector},
          {"bilinear", bilinear},
          {"convolution", convolution},
          {"convolution of images", convolution_of_images},
          {"pooling", pooling},
          {"layer norm", layer_norm},
          {"group norm", group_norm},
          {"batch norm with fixed statistics", batch_norm_with_fixed_statistics},
          {"embedding", embedding},
          {"bags", bags},
          {"attention", attention},
          {"matrices of a sample", matrices_of_a_sample}};
}

}  // namespace discreet::random_graphs
