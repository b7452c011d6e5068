// Random models for the test of the graph engine (random_graphs_test.cc): programs of many small operations
// on values of which it is known where the batch is. Everything follows from the seed.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace discreet::random_graphs {

using at::Tensor;
using Shape = std::vector<int64_t>;

// The size of one dimension: before * samples * behind where the batch is in it, else before.
struct Dim {
  int64_t before = 1;
  bool batch = false;
  int64_t behind = 1;
  int64_t of(int64_t samples) const { return batch ? before * samples * behind : before; }
  bool operator==(const Dim&) const = default;
};
using Dims = std::vector<Dim>;
Shape shape_of(const Dims& dims, int64_t samples);

// One run of a model on some samples.
struct Run {
  int64_t samples;
  Tensor x, tokens;  // double [samples, ...], int64 [samples, positions]
  std::vector<Tensor> parameters, values;
  bool by_hand = false;  // batch normalisation by arithmetic: libtorch 1.13's own backward may misread
};
using Formula = std::function<Tensor(const Run&)>;
using Map = std::function<Tensor(const Tensor&)>;

// A parameter, a part of one, or a function of some.
struct Weight {
  Formula formula;
  std::string text;
};

class Model {
 public:
  std::vector<Shape> parameters;
  std::vector<Formula> values;  // the last one is the output, [samples, ...] or [..., samples, ...]
  std::string text;             // a line for each value
  int64_t samples;              // to run it with
  int64_t batch_dimension;      // of the output
  Shape x, tokens;              // of one sample

  // As leaves that require gradients; some are not contiguous.
  std::vector<Tensor> make_parameters() const;
  Tensor make_x() const;
  Tensor make_tokens() const;
  Tensor forward(const std::vector<Tensor>& parameters, const Tensor& x, const Tensor& tokens,
                 bool by_hand = false) const;
};

constexpr int64_t kVocabulary = 5;

// Builds a model value by value; a trial run with it checks shapes and finds numbers that explode.
class Builder {
 public:
  explicit Builder(uint64_t seed);

  int64_t below(int64_t limit) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit)); }
  bool chance(double p) { return static_cast<double>(below(1 << 20)) < p * (1 << 20); }
  template <typename T>
  const T& one_of(const std::vector<T>& list) {
    return list[below(static_cast<int64_t>(list.size()))];
  }
  // A size for a dimension, often that of the batch.
  int64_t size() { return chance(0.3) ? model_.samples : 1 + below(4); }
  int64_t samples() const { return model_.samples; }
  int64_t positions() const { return model_.tokens[0]; }

  // A value, rather a late one; any with its batch nowhere else than in `batch` where that is not -1, alone
  // in its dimension, of so many dimensions where that is not 0. -1: there is none.
  int64_t value();
  int64_t value(size_t dimensions, int64_t batch);
  int64_t like(int64_t value);  // another of the same dimensions, or the same
  const Dims& dims(int64_t value) const { return dims_[value]; }
  bool trained(int64_t value) const { return trial_.values[value].requires_grad(); }
  int64_t batch(int64_t value) const;      // its dimension with the batch
  int64_t free(int64_t value);             // a dimension without the batch, or -1
  bool last_is_free(int64_t value) const;  // the last dimension, for features

  Weight weight(const Shape& shape);
  // In the last dimensions of the value, 1 where the batch is.
  Shape broadcast_shape(int64_t value);
  // Fixed different numbers, in the value's dimensions, 1 where the batch is: apart from kinks and ties.
  Tensor ramp(int64_t value) const;

  // A new value; false where its numbers are too many or not finite. Throws where its shape is not `dims`.
  bool add(const std::string& text, const std::vector<int64_t>& of, const Dims& dims, Formula formula,
           int64_t most = 600);
  bool map(int64_t of, const std::string& text, const Dims& dims, Map map);
  int64_t last() const { return static_cast<int64_t>(dims_.size()) - 1; }

  // Makes one step; all as it was where that is false.
  bool make(bool (*step)(Builder&));
  // All values that nothing has used, side by side.
  Model finish();

 private:
  Weight fresh(const Shape& shape);
  int64_t known(const std::function<bool(const Shape&)>& fits);

  std::mt19937_64 random_;
  Model model_;
  Run trial_;
  std::vector<Dims> dims_;
  std::vector<int> uses_;
};

// A step adds one value or a few; false where nothing fits. None of them mixes samples, but those of the
// second list, which may.
struct Step {
  const char* name;
  bool (*make)(Builder&);
};
std::vector<Step> element_steps();
std::vector<Step> dimension_steps();
std::vector<Step> layer_steps();
std::vector<Step> row_steps();
std::vector<Step> mixing_steps();

std::string text_of(const Shape& shape);

// Of about ten steps. `mixing`: one or two of them are mixing_steps.
Model random_model(uint64_t seed, bool mixing);

}  // namespace discreet::random_graphs
