// Steps of random models that work element by element, with other values and with parameters.
#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

std::string v(int64_t value) {
  return "v" + std::to_string(value);
}

struct Named {
  const char* name;
  Tensor (*of)(const Tensor&);
};

struct NamedPair {
  const char* name;
  Tensor (*of)(const Tensor&, const Tensor&);
};

bool smooth(Builder& b) {
  static const std::vector<Named> list = {
      {".tanh()", [](const Tensor& x) { return x.tanh(); }},
      {".sin()", [](const Tensor& x) { return x.sin(); }},
      {".sigmoid()", [](const Tensor& x) { return x.sigmoid(); }},
      {" softplus", [](const Tensor& x) { return torch::softplus(x); }},
      {" gelu", [](const Tensor& x) { return torch::gelu(x); }},
      {" silu", [](const Tensor& x) { return torch::silu(x); }},
      {" mish", [](const Tensor& x) { return torch::mish(x); }},
      {".square()", [](const Tensor& x) { return x.square(); }},
      {".pow(3)", [](const Tensor& x) { return x.pow(3); }},
      {".tanh().exp()", [](const Tensor& x) { return x.tanh().exp(); }},
      {".atan()", [](const Tensor& x) { return x.atan(); }},
      {".erf()", [](const Tensor& x) { return x.erf(); }},
      {" log(1.5 + sin)", [](const Tensor& x) { return (1.5 + x.sin()).log(); }},
      {" rsqrt(1.5 + sin)", [](const Tensor& x) { return (x.sin() + 1.5).rsqrt(); }},
      {" 1 / (2 + cos)", [](const Tensor& x) { return (x.cos() + 2).reciprocal(); }},
      {" 1 - x", [](const Tensor& x) { return 1 - x; }},
      {" -x", [](const Tensor& x) { return -x; }},
      {" x / 1.7", [](const Tensor& x) { return x / 1.7; }},
      {" logsigmoid", [](const Tensor& x) { return torch::log_sigmoid(x); }},
      {".clone()", [](const Tensor& x) { return x.clone(); }},
      {".contiguous()", [](const Tensor& x) { return x.contiguous(); }},
  };
  const int64_t x = b.value();
  const Named& one = b.one_of(list);
  return b.map(x, one.name, b.dims(x), one.of);
}

bool kinked(Builder& b) {
  static const std::vector<Named> list = {
      {" relu", [](const Tensor& x) { return x.relu(); }},
      {" abs", [](const Tensor& x) { return x.abs(); }},
      {" elu", [](const Tensor& x) { return torch::elu(x, 0.7); }},
      {" leaky_relu", [](const Tensor& x) { return torch::leaky_relu(x, 0.2); }},
      {" clamp", [](const Tensor& x) { return x.clamp(-0.4, 0.9); }},
      {" hardtanh", [](const Tensor& x) { return torch::hardtanh(x); }},
      {" hardshrink", [](const Tensor& x) { return torch::hardshrink(x, 0.3); }},
      {" threshold", [](const Tensor& x) { return torch::threshold(x, 0.1, 0.5); }},
  };
  const int64_t x = b.value();
  const Named& one = b.one_of(list);
  const Tensor ramp = b.ramp(x);
  return b.map(x, " + ramp," + std::string(one.name), b.dims(x),
               [ramp, one](const Tensor& t) { return one.of(t + ramp); });
}

bool masked(Builder& b) {
  const int64_t x = b.value();
  const Tensor mask = b.ramp(x) > 0;
  const bool zeros = b.chance(0.5);
  return b.map(x, zeros ? " * (ramp > 0)" : ".masked_fill(ramp > 0, 0.3)", b.dims(x),
               [mask, zeros](const Tensor& t) { return zeros ? t * mask : t.masked_fill(mask, 0.3); });
}

bool two_values(Builder& b) {
  static const std::vector<NamedPair> list = {
      {"+", [](const Tensor& x, const Tensor& y) { return x + y; }},
      {"-", [](const Tensor& x, const Tensor& y) { return x - y; }},
      {"*", [](const Tensor& x, const Tensor& y) { return x * y; }},
      {"/ (2 + sin)", [](const Tensor& x, const Tensor& y) { return x / (y.sin() + 2); }},
      {"+ 0.5 *", [](const Tensor& x, const Tensor& y) { return torch::add(x, y, 0.5); }},
      {"lerp 0.3", [](const Tensor& x, const Tensor& y) { return torch::lerp(x, y, 0.3); }},
      {"atan2", [](const Tensor& x, const Tensor& y) { return torch::atan2(x, y.square() + 1); }},
      {"addcmul", [](const Tensor& x, const Tensor& y) { return torch::addcmul(x, x, y, 0.7); }},
      {"logaddexp", [](const Tensor& x, const Tensor& y) { return torch::logaddexp(x, y); }},
      {"maximum of 0.3 x, y + 0.1",
       [](const Tensor& x, const Tensor& y) { return torch::maximum(x * 0.3, y + 0.1); }},
  };
  const int64_t x = b.value(), y = b.like(x);
  const NamedPair& one = b.one_of(list);
  return b.add(v(x) + " " + one.name + " " + v(y), {x, y}, b.dims(x),
               [x, y, one](const Run& run) { return one.of(run.values[x], run.values[y]); });
}

bool chosen_of_two(Builder& b) {
  const int64_t x = b.value(), y = b.like(x);
  const Tensor mask = b.ramp(x) > 0;
  return b.add("where(ramp > 0, " + v(x) + ", " + v(y) + ")", {x, y}, b.dims(x),
               [=](const Run& run) { return torch::where(mask, run.values[x], run.values[y]); });
}

// With its own mean over a dimension, broadcast back.
bool with_its_mean(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const int64_t kind = b.below(3);
  return b.map(x, " with its own sum over " + std::to_string(d) + " by way " + std::to_string(kind),
               b.dims(x), [d, kind](const Tensor& t) {
                 const Tensor all = t.mean(d, true);
                 return kind == 0 ? t - all : kind == 1 ? t * all.expand_as(t) : all / (t.square() + 1);
               });
}

bool with_parameter(Builder& b) {
  static const std::vector<NamedPair> list = {
      {"+", [](const Tensor& x, const Tensor& w) { return x + w; }},
      {"-", [](const Tensor& x, const Tensor& w) { return x - w; }},
      {"from", [](const Tensor& x, const Tensor& w) { return w - x; }},
      {"*", [](const Tensor& x, const Tensor& w) { return w * x; }},
      {"/ (w tanh + 2)", [](const Tensor& x, const Tensor& w) { return x / (w.tanh() + 2); }},
      {"divides", [](const Tensor& x, const Tensor& w) { return w / (x.square() + 1); }},
      {"+ 2 *", [](const Tensor& x, const Tensor& w) { return torch::add(x, w, 2); }},
      {"lerp by", [](const Tensor& x, const Tensor& w) { return torch::lerp(x, x.sin(), w); }},
      {"lerp to", [](const Tensor& x, const Tensor& w) { return torch::lerp(x, w, x.sigmoid()); }},
      {"addcmul", [](const Tensor& x, const Tensor& w) { return torch::addcmul(x, w, x.sin(), 0.5); }},
      {"add to addcmul", [](const Tensor& x, const Tensor& w) { return torch::addcmul(w, x, x, 0.5); }},
      {"twice", [](const Tensor& x, const Tensor& w) { return (x * w).sin() + w; }},
  };
  const int64_t x = b.value();
  const Shape shape = b.broadcast_shape(x);
  const Weight w = b.weight(shape);
  const NamedPair& one = b.one_of(list);
  return b.add(v(x) + " " + one.name + " " + w.text + " " + text_of(shape), {x}, b.dims(x),
               [x, w, one](const Run& run) { return one.of(run.values[x], w.formula(run)); });
}

bool chosen_parameter(Builder& b) {
  const int64_t x = b.value();
  const Shape shape = b.broadcast_shape(x);
  const Weight w = b.weight(shape);
  const bool first = b.chance(0.5);
  return b.add(
      "where(" + v(x) + " > 0.1, " + (first ? w.text + ", x" : "x, " + w.text) + ") " + text_of(shape), {x},
      b.dims(x), [=](const Run& run) {
        const Tensor& t = run.values[x];
        const Tensor mask = t.detach() > 0.1;
        return first ? torch::where(mask, w.formula(run), t) : torch::where(mask, t, w.formula(run));
      });
}

bool learned_slope(Builder& b) {
  const int64_t x = b.value();
  if (b.dims(x).size() < 2 || b.dims(x)[1].batch) return false;
  const int64_t channels = b.chance(0.5) ? 1 : b.dims(x)[1].before;
  const Weight w = b.weight({channels});
  const Tensor ramp = b.ramp(x);
  return b.add("prelu(" + v(x) + " + ramp, " + w.text + ")", {x}, b.dims(x),
               [x, w, ramp](const Run& run) { return torch::prelu(run.values[x] + ramp, w.formula(run)); });
}

// A parameter that is expanded or repeated over the batch, joined with a value or multiplied in.
bool expanded_parameter(Builder& b) {
  const int64_t x = b.value(), d = b.free(x);
  if (d < 0) return false;
  const Dims dims = b.dims(x);
  Shape shape = shape_of(dims, 1);
  for (size_t k = 0; k < dims.size(); ++k) {
    if (dims[k].batch || b.chance(0.2)) shape[k] = 1;
  }
  const Weight w = b.weight(shape);
  const int64_t way = b.below(3);
  const auto wide = [=](const Run& run) {
    if (way != 1) return w.formula(run).expand(shape_of(dims, run.samples));
    Shape repeats = shape_of(dims, run.samples);
    for (size_t k = 0; k < repeats.size(); ++k) repeats[k] /= shape[k];
    return w.formula(run).repeat(repeats);
  };
  if (way == 2)
    return b.add(v(x) + " * expanded " + w.text + " " + text_of(shape), {x}, dims,
                 [=](const Run& run) { return run.values[x] * wide(run); });
  Dims joined = dims;
  joined[d].before *= 2;
  return b.add("cat(" + v(x) + ", " + (way == 0 ? "expanded " : "repeated ") + w.text + " " + text_of(shape) +
                   ", " + std::to_string(d) + ")",
               {x}, joined, [=](const Run& run) {
                 return torch::cat({run.values[x], wide(run)}, d);
               });
}

}  // namespace

std::vector<Step> element_steps() {
  return {{"smooth", smooth},
          {"smooth", smooth},
          {"kinked", kinked},
          {"masked", masked},
          {"two values", two_values},
          {"two values", two_values},
          {"chosen of two", chosen_of_two},
          {"with its mean", with_its_mean},
          {"with a parameter", with_parameter},
          {"with a parameter", with_parameter},
          {"a chosen parameter", chosen_parameter},
          {"a learned slope", learned_slope},
          {"an expanded parameter", expanded_parameter}};
}

}  // namespace discreet::random_graphs
