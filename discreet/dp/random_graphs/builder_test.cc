// How random models are built (random_graphs_testing.h).
#include <algorithm>
#include <stdexcept>

#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

std::string text_of(const Dims& dims) {
  std::string text;
  for (const Dim& dim : dims) {
    std::string size = dim.batch ? "n" : std::to_string(dim.before);
    if (dim.batch && dim.before > 1) size = std::to_string(dim.before) + "*" + size;
    if (dim.batch && dim.behind > 1) size += "*" + std::to_string(dim.behind);
    text += (text.empty() ? "" : ", ") + size;
  }
  return "[" + text + "]";
}

int64_t numel(const Shape& shape) {
  int64_t result = 1;
  for (int64_t size : shape) result *= size;
  return result;
}

Shape with_rows(int64_t rows, Shape shape) {
  shape.insert(shape.begin(), rows);
  return shape;
}

}  // namespace

std::string text_of(const Shape& shape) {
  std::string text;
  for (int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "{" + text + "}";
}

Shape shape_of(const Dims& dims, int64_t samples) {
  Shape shape;
  for (const Dim& dim : dims) shape.push_back(dim.of(samples));
  return shape;
}

std::vector<Tensor> Model::make_parameters() const {
  std::vector<Tensor> result;
  for (size_t i = 0; i < parameters.size(); ++i) {
    Shape turned(parameters[i].rbegin(), parameters[i].rend());
    Tensor parameter = torch::randn(parameters[i], torch::kDouble) * 0.7;
    if (i % 7 == 3)
      parameter = (torch::randn(turned, torch::kDouble) * 0.7).permute([&] {
        Shape dims;
        for (size_t d = turned.size(); d > 0; --d) dims.push_back(static_cast<int64_t>(d) - 1);
        return dims;
      }());
    result.push_back(parameter.detach().requires_grad_());
  }
  return result;
}

Tensor Model::make_x() const {
  return torch::randn(with_rows(samples, x), torch::kDouble);
}

Tensor Model::make_tokens() const {
  return torch::randint(0, kVocabulary, with_rows(samples, tokens), torch::kLong);
}

Tensor Model::forward(const std::vector<Tensor>& weights, const Tensor& rows, const Tensor& words,
                      bool by_hand) const {
  Run run{rows.size(0), rows, words, weights, {}, by_hand};
  for (const Formula& value : values) run.values.push_back(value(run));
  return run.values.back();
}

Builder::Builder(uint64_t seed) : random_(seed) {
  model_.samples = chance(0.1) ? 1 : 2 + below(4);
  for (int64_t d = 1 + below(3); d > 0; --d) model_.x.push_back(size());
  model_.tokens = {1 + below(4)};
  trial_ = {model_.samples, model_.make_x(), model_.make_tokens(), {}, {}};
  Dims dims{{1, true, 1}};
  for (int64_t size : model_.x) dims.push_back({size});
  add(
      "x", {}, dims, [](const Run& run) { return run.x; }, 1000);
}

int64_t Builder::value() {
  const int64_t count = last() + 1;
  return count - 1 - std::min(below(count), below(count));
}

int64_t Builder::value(size_t dimensions, int64_t where) {
  std::vector<int64_t> fitting;
  for (int64_t i = 0; i <= last(); ++i) {
    const bool alone = where < 0 || (batch(i) == where && dims_[i][where] == Dim{1, true, 1});
    if (alone && (dimensions == 0 || dims_[i].size() == dimensions)) fitting.push_back(i);
  }
  return fitting.empty() ? -1 : one_of(fitting);
}

int64_t Builder::like(int64_t value) {
  std::vector<int64_t> fitting;
  for (int64_t i = 0; i <= last(); ++i)
    if (dims_[i] == dims_[value] && i != value) fitting.push_back(i);
  return fitting.empty() ? value : one_of(fitting);
}

int64_t Builder::batch(int64_t value) const {
  for (size_t d = 0; d < dims_[value].size(); ++d)
    if (dims_[value][d].batch) return static_cast<int64_t>(d);
  throw std::logic_error("a value without the batch");
}

int64_t Builder::free(int64_t value) {
  const int64_t count = static_cast<int64_t>(dims_[value].size());
  if (count < 2) return -1;
  const int64_t d = below(count - 1);
  return d < batch(value) ? d : d + 1;
}

bool Builder::last_is_free(int64_t value) const {
  return dims_[value].size() > 1 && !dims_[value].back().batch;
}

Shape Builder::broadcast_shape(int64_t value) {
  const Dims& dims = dims_[value];
  Shape shape;
  for (auto d = static_cast<size_t>(below(static_cast<int64_t>(dims.size()) + 1)); d < dims.size(); ++d)
    shape.push_back(dims[d].batch || chance(0.2) ? 1 : dims[d].before);
  return shape;
}

Tensor Builder::ramp(int64_t value) const {
  Shape shape;
  for (const Dim& dim : dims_[value]) shape.push_back(dim.batch ? 1 : dim.before);
  return (torch::arange(numel(shape), torch::kDouble) * 7.3 + 1).sin().view(shape);
}

Weight Builder::fresh(const Shape& shape) {
  const size_t k = model_.parameters.size();
  model_.parameters.push_back(shape);
  trial_.parameters.push_back((torch::randn(shape, torch::kDouble) * 0.7).requires_grad_());
  return {[k](const Run& run) { return run.parameters[k]; }, "p" + std::to_string(k)};
}

int64_t Builder::known(const std::function<bool(const Shape&)>& fits) {
  std::vector<int64_t> fitting;
  for (size_t k = 0; k < model_.parameters.size(); ++k)
    if (fits(model_.parameters[k])) fitting.push_back(static_cast<int64_t>(k));
  return fitting.empty() ? -1 : one_of(fitting);
}

Weight Builder::weight(const Shape& shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  const auto with = [](const Weight& w, const std::string& text, Map map) {
    return Weight{[w, map](const Run& run) { return map(w.formula(run)); }, w.text + text};
  };
  const auto parameter = [](int64_t k) {
    return Weight{[k](const Run& run) { return run.parameters[k]; }, "p" + std::to_string(k)};
  };
  switch (below(12)) {
    case 0:
    case 1: {
      const int64_t k = known([&](const Shape& s) { return s == shape; });
      if (k >= 0) return parameter(k);
      break;
    }
    case 2: {
      const int64_t k = known([&](const Shape& s) { return numel(s) == numel(shape); });
      if (k >= 0)
        return with(parameter(k), ".reshape(" + text_of(shape) + ")",
                    [shape](const Tensor& w) { return w.reshape(shape); });
      break;
    }
    case 3: {
      const int64_t k = known([&](const Shape& s) {
        if (s.size() != shape.size()) return false;
        for (size_t d = 0; d < s.size(); ++d)
          if (s[d] < shape[d]) return false;
        return true;
      });
      if (k < 0) break;
      const bool late = chance(0.5);
      return with(parameter(k), late ? ".last(" + text_of(shape) + ")" : ".first(" + text_of(shape) + ")",
                  [shape, late](Tensor w) {
                    for (int64_t d = 0; d < w.dim(); ++d)
                      w = w.narrow(d, late ? w.size(d) - shape[d] : 0, shape[d]);
                    return w;
                  });
    }
    case 4: {
      if (rank < 2) break;
      const int64_t a = below(rank), b = below(rank);
      Shape turned = shape;
      std::swap(turned[a], turned[b]);
      const int64_t k = known([&](const Shape& s) { return s == turned; });
      return with(k >= 0 ? parameter(k) : fresh(turned),
                  ".transpose(" + std::to_string(a) + ", " + std::to_string(b) + ")",
                  [a, b](const Tensor& w) { return w.transpose(a, b); });
    }
    case 5: {
      if (rank < 1) break;
      const int64_t d = below(rank), start = below(3), step = 1 + below(2), length = shape[d];
      Shape longer = shape;
      longer[d] = start + length * step + below(2);
      const std::string text = ".slice(" + std::to_string(d) + ", " + std::to_string(start) + ", step " +
                               std::to_string(step) + ")[" + std::to_string(length) + "]";
      return with(fresh(longer), text, [d, start, step, length](const Tensor& w) {
        return w.slice(d, start, start + (length - 1) * step + 1, step);
      });
    }
    case 6: {
      const int64_t d = below(rank + 1), count = 1 + below(3), index = below(count);
      Shape more = shape;
      more.insert(more.begin() + d, count);
      return with(fresh(more), ".select(" + std::to_string(d) + ", " + std::to_string(index) + ")",
                  [d, index](const Tensor& w) { return w.select(d, index); });
    }
    case 7: {
      const Weight w = weight(shape);
      switch (below(4)) {
        case 0: return with(w, ".tanh()", [](const Tensor& t) { return t.tanh(); });
        case 1: return with(w, ".mul(0.5)", [](const Tensor& t) { return t * 0.5; });
        case 2: return with(w, ".clone()", [](const Tensor& t) { return t.clone(); });
        default: return with(w, ".exp().mul(0.4)", [](const Tensor& t) { return t.exp() * 0.4; });
      }
    }
    case 8: {
      const Weight a = weight(shape), b = weight(shape);
      return {[a, b](const Run& run) { return a.formula(run) + b.formula(run); },
              "(" + a.text + " + " + b.text + ")"};
    }
    case 9: {
      if (rank != 2) break;
      const Weight a = weight({shape[0], 2}), b = weight({2, shape[1]});
      return {[a, b](const Run& run) { return a.formula(run).mm(b.formula(run)); },
              a.text + ".mm(" + b.text + ")"};
    }
  }
  return fresh(shape);
}

bool Builder::add(const std::string& text, const std::vector<int64_t>& of, const Dims& dims, Formula formula,
                  int64_t most) {
  Tensor value = formula(trial_);
  if (value.sizes() != shape_of(dims, model_.samples))
    throw std::logic_error("a generated value has another shape than expected: " + text + " is " +
                           text_of(value.sizes().vec()) + " instead of " + text_of(dims) + "\n" +
                           model_.text);
  if (value.numel() > most || value.dim() > 5 || !value.isfinite().all().item<bool>()) return false;
  std::string line = text;
  if (value.numel() > 0 && value.abs().max().item<double>() > 8) {
    const Formula large = formula;
    formula = [large](const Run& run) { return large(run).tanh(); };
    value = value.tanh();
    line = "tanh(" + line + ")";
  }
  model_.values.push_back(std::move(formula));
  trial_.values.push_back(value);
  dims_.push_back(dims);
  uses_.push_back(0);
  for (int64_t i : of) ++uses_[i];
  model_.text += "v" + std::to_string(last()) + " = " + line + "  " + text_of(dims_.back()) + "\n";
  return true;
}

bool Builder::map(int64_t of, const std::string& text, const Dims& dims, Map map) {
  return add("v" + std::to_string(of) + text, {of}, dims,
             [of, map](const Run& run) { return map(run.values[of]); });
}

bool Builder::make(bool (*step)(Builder&)) {
  const size_t parameters = model_.parameters.size(), values = dims_.size();
  const std::vector<int> uses = uses_;
  const std::string text = model_.text;
  if (step(*this) && dims_.size() > values) return true;
  model_.parameters.resize(parameters);
  trial_.parameters.resize(parameters);
  model_.values.resize(values);
  trial_.values.resize(values);
  dims_.resize(values);
  uses_ = uses;
  model_.text = text;
  return false;
}

Model Builder::finish() {
  std::vector<int64_t> ends;
  std::string text;
  for (int64_t i = 0; i <= last(); ++i)
    if (uses_[i] == 0 && trained(i)) {
      ends.push_back(i);
      text += (text.empty() ? "cat of rows of v" : ", v") + std::to_string(i);
    }
  std::vector<int64_t> places;
  std::vector<Dim> keys;
  int64_t width = 0;
  for (int64_t i : ends) {
    places.push_back(batch(i));
    keys.push_back(dims_[i][batch(i)]);
    width += trial_.values[i].numel() / model_.samples;
  }
  const bool last_dimension = chance(0.3);
  const Dims dims = last_dimension ? Dims{{width}, {1, true, 1}} : Dims{{1, true, 1}, {width}};
  uses_.assign(uses_.size(), 0);
  const bool made = add(
      text, ends, dims,
      [=](const Run& run) {
        std::vector<Tensor> rows;
        for (size_t i = 0; i < ends.size(); ++i) {
          const Tensor first = run.values[ends[i]].movedim(places[i], 0);
          const Shape apart{keys[i].before, run.samples, keys[i].behind * (first.numel() / first.size(0))};
          rows.push_back(first.reshape(apart).transpose(0, 1).reshape({run.samples, -1}));
        }
        const Tensor all = rows.size() == 1 ? rows[0] : torch::cat(rows, 1);
        return last_dimension ? all.t() : all;
      },
      100000);
  if (!made) throw std::logic_error("a model's output is not finite or too large\n" + model_.text);
  model_.batch_dimension = last_dimension ? 1 : 0;
  return model_;
}

Model random_model(uint64_t seed, bool mixing) {
  torch::manual_seed(seed);
  Builder builder(seed);
  std::vector<Step> steps;
  for (const auto& list : {element_steps(), dimension_steps(), layer_steps(), layer_steps(), row_steps()})
    steps.insert(steps.end(), list.begin(), list.end());
  const std::vector<Step> mixers = mixing_steps();
  const int64_t count = 3 + builder.below(10);
  const auto add_one = [&](const std::vector<Step>& list) {
    while (!builder.make(builder.one_of(list).make)) {
    }
  };
  for (int64_t i = 0; i < count; ++i) add_one(steps);
  while (!builder.trained(builder.last())) add_one(layer_steps());
  if (mixing) {
    for (int64_t i = builder.chance(0.3) ? 2 : 1; i > 0; --i) add_one(mixers);
    for (int64_t i = builder.below(4); i > 0; --i) add_one(steps);
  }
  return builder.finish();
}

}  // namespace discreet::random_graphs
