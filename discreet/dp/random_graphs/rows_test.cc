// Steps of random models that work on the samples as rows and yet keep them apart: loops, other orders and
// back, halves, parts written in place, packed sequences.
#include <algorithm>

#include "discreet/dp/random_graphs/random_graphs_testing.h"

namespace discreet::random_graphs {
namespace {

std::string v(int64_t value) {
  return "v" + std::to_string(value);
}

// Something for rows in another order: element by element, or by a matrix.
Formula worked_on(Builder& b, int64_t x, Map before, std::string* text) {
  if (!b.last_is_free(x) || b.chance(0.3)) {
    *text += " sin";
    return [x, before](const Run& run) { return before(run.values[x]).sin(); };
  }
  const int64_t width = b.dims(x).back().before;
  const Weight w = b.weight({width, width});
  *text += " linear(" + w.text + ")";
  return [x, w, before](const Run& run) { return torch::linear(before(run.values[x]), w.formula(run)); };
}

Tensor some_order(int64_t rows) {
  return (torch::arange(rows) * 7.3 + 1).sin().argsort();
}

bool another_order_and_back(Builder& b) {
  const int64_t x = b.value(), d = b.batch(x), way = b.below(4);
  static const std::vector<const char*> names = {" flipped", " rolled", " by index_select", " by index"};
  std::string text = v(x) + names[way] + " along " + std::to_string(d) + ",";
  const auto indexed = [d](const Tensor& t, const Tensor& order) {
    std::vector<at::indexing::TensorIndex> indices(d, at::indexing::Slice());
    indices.emplace_back(order);
    return t.index(indices);
  };
  const Formula formula = worked_on(
      b, x,
      [=](const Tensor& t) {
        if (way == 0) return t.flip({d});
        if (way == 1) return t.roll(1, d);
        const Tensor order = some_order(t.size(d));
        return way == 2 ? t.index_select(d, order) : indexed(t, order);
      },
      &text);
  return b.add(text + ", and back", {x}, b.dims(x), [=](const Run& run) {
    const Tensor t = formula(run);
    if (way == 0) return t.flip({d});
    if (way == 1) return t.roll(-1, d);
    const Tensor back = some_order(t.size(d)).argsort();
    return way == 2 ? t.index_select(d, back) : indexed(t, back);
  });
}

bool halves(Builder& b) {
  const int64_t x = b.value(), d = b.batch(x);
  if (b.dims(x)[d] != Dim{1, true, 1}) return false;
  std::string text = v(x);
  const Formula formula = worked_on(
      b, x, [](const Tensor& t) { return t; }, &text);
  return b.add(text + ", halves of the batch joined", {x}, b.dims(x), [=](const Run& run) {
    const Tensor t = formula(run);
    if (run.samples == 1) return t.tanh();
    const int64_t half = run.samples / 2;
    return torch::cat({t.slice(d, 0, half).tanh(), t.slice(d, half).tanh()}, d);
  });
}

bool loop_over_samples(Builder& b) {
  const int64_t x = b.value(), d = b.batch(x);
  if (b.dims(x)[d] != Dim{1, true, 1}) return false;
  Dims dims = b.dims(x);
  dims.erase(dims.begin() + d);
  const int64_t at = b.below(static_cast<int64_t>(dims.size()) + 1);
  dims.insert(dims.begin() + at, Dim{1, true, 1});
  const bool by_select = b.chance(0.5), by_matrix = b.last_is_free(x) && b.dims(x).size() > 2;
  const Weight w = b.weight(by_matrix ? Shape{b.dims(x).back().before, b.dims(x).back().before} : Shape{});
  return b.add("each sample of " + v(x) + " by " + w.text + (by_select ? " (select)" : " (unbind)"), {x},
               dims, [=](const Run& run) {
                 const Tensor& t = run.values[x];
                 std::vector<Tensor> rows;
                 for (int64_t i = 0; i < run.samples; ++i) {
                   const Tensor row = by_select ? t.select(d, i) : t.unbind(d)[i];
                   const Tensor weight = w.formula(run);
                   rows.push_back((by_matrix ? row.matmul(weight) : row * weight).tanh());
                 }
                 return torch::stack(rows, at);
               });
}

// A hidden state that goes along a dimension.
bool recurrence(Builder& b) {
  const int64_t x = b.value(3, -1);
  if (x < 0 || !b.last_is_free(x)) return false;
  const Dims dims = b.dims(x);
  const int64_t d = dims[0].batch ? 1 : 0, width = dims[2].before;
  const Weight u = b.weight({width, width}), w = b.weight({width, width});
  const bool written = b.chance(0.4);
  return b.add(
      "recurrence of " + v(x) + " along " + std::to_string(d) + " by " + u.text + ", " + w.text +
          (written ? " (written in place)" : ""),
      {x}, dims, [=](const Run& run) {
        const Tensor& t = run.values[x];
        Tensor state = torch::zeros_like(t.select(d, 0)), all = torch::zeros(t.sizes(), t.options());
        std::vector<Tensor> states;
        for (int64_t step = 0; step < t.size(d); ++step) {
          state = (torch::linear(t.select(d, step), u.formula(run)) + state.matmul(w.formula(run))).tanh();
          states.push_back(state);
          if (written) all.select(d, step).copy_(state);
        }
        return written ? all : torch::stack(states, d);
      });
}

// Parts of a value written over with parts of another.
bool written_in_place(Builder& b) {
  const int64_t x = b.value(), y = b.like(x), d = b.free(x), way = b.below(4);
  if (d < 0) return false;
  const int64_t size = b.dims(x)[d].before, part = b.below(size);
  return b.add(v(x) + " with a part along " + std::to_string(d) + " of " + v(y) + " written by way " +
                   std::to_string(way),
               {x, y}, b.dims(x), [=](const Run& run) {
                 Tensor t = run.values[x].clone(at::MemoryFormat::Contiguous);
                 const Tensor other = run.values[y].sin();
                 if (way == 0) t.select(d, part).copy_(other.select(d, size - 1 - part));
                 if (way == 1) t.slice(d, 0, part + 1).copy_(other.slice(d, size - 1 - part, size));
                 if (way == 2) t.transpose(0, d).slice(0, part, part + 1).zero_();
                 if (way == 3) t.slice(d, part).copy_(other.select(d, part).unsqueeze(d));
                 return t;
               });
}

// As nn::utils::rnn does: packed, worked on, unpacked, with zeros where a sequence has ended.
bool packed(Builder& b) {
  const int64_t x = b.value(3, 0);
  if (x < 0) return false;
  const Dims dims = b.dims(x);
  const int64_t width = dims[2].before, time = dims[1].before;
  const Weight w = b.weight({width, width});
  const bool batch_first = b.chance(0.5);
  return b.add(
      "sequences of " + v(x) + " packed, by " + w.text + ", unpacked" + (batch_first ? "" : " time first"),
      {x}, batch_first ? dims : Dims{dims[1], dims[0], dims[2]}, [=](const Run& run) {
        // The first number of a sample says how long its sequence is.
        const Tensor keys = run.x.reshape({run.samples, -1}).select(1, 0);
        const auto [lengths, order] = ((keys.abs() * 100).to(torch::kLong).remainder(time) + 1).sort(0, true);
        const auto [data, sizes] =
            torch::_pack_padded_sequence(run.values[x].index_select(0, order), lengths, /*batch_first=*/true);
        const Tensor worked = torch::linear(data, w.formula(run)).tanh();
        const Tensor all = std::get<0>(torch::_pad_packed_sequence(worked, sizes, batch_first, 0.0, time));
        return all.index_select(batch_first ? 0 : 1, order.argsort());
      });
}

}  // namespace

std::vector<Step> row_steps() {
  return {{"another order and back", another_order_and_back},
          {"halves", halves},
          {"a loop over samples", loop_over_samples},
          {"recurrence", recurrence},
          {"written in place", written_in_place},
          {"packed", packed}};
}

}  // namespace discreet::random_graphs
