// A layer of an LSTM that is one node of the graph (libtorch 2.x on a CPU). With the input x_t, the states
// h_t and c_t, and one row of the batch,
//
//   (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid) of  z_t = W x_t + U h_(t-1) + b + b'
//   c_t = f c_(t-1) + i g,   h_t = o tanh(c_t)
//
// (Hochreiter and Schmidhuber 1997; forget gate by Gers et al. 2000). The node saved every h_t, so all z_t
// are one product; going back through time gives the gradient of every z_t. Per sample the gradient of W is
// the sum over time of dz_t x_t^T, that of U the sum of dz_t h_(t-1)^T, that of each bias the sum of dz_t.
#include <ATen/Parallel.h>

#include <cmath>

#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"
#include "discreet/dp/rules/vector_clones.h"

namespace discreet {
namespace {

using namespace libtorch;

// dz and gates: those of i, f, g and o, one after another.
DISCREET_VECTOR_CLONES void step_of_row(int64_t hidden, const float* __restrict gates,
                                        const float* __restrict before, const float* __restrict squashed,
                                        const float* __restrict dh, float* __restrict dc,
                                        float* __restrict dz) {
  for (int64_t k = 0; k < hidden; ++k) {
    const float i = gates[k], f = gates[k + hidden], g = gates[k + 2 * hidden], o = gates[k + 3 * hidden];
    const float total = dc[k] + dh[k] * o * (1 - squashed[k] * squashed[k]);
    dz[k] = total * g * i * (1 - i);
    dz[k + hidden] = total * before[k] * f * (1 - f);
    dz[k + 2 * hidden] = total * i * (1 - g * g);
    dz[k + 3 * hidden] = dh[k] * squashed[k] * o * (1 - o);
    dc[k] = total * f;
  }
}

// Everything in the order in which the layer went through time.
class BackThroughTime {
 public:
  explicit BackThroughTime(const LstmLayer& layer)
      : reverse_(layer.reverse),
        weight_(layer.hidden_weight),
        x_(in_time(layer.input)),
        h_before_(
            at::cat({layer.hidden.unsqueeze(0), in_time(layer.output)}).slice(0, 0, layer.output.size(0))) {
    const int64_t time = x_.size(0), batch = x_.size(1), hidden = h_before_.size(2);
    const at::Tensor rows = h_before_.reshape({time * batch, hidden});
    at::Tensor z = rows.mm(weight_.t());
    z.addmm_(x_.reshape({time * batch, -1}), layer.input_weight.t());
    if (layer.input_bias.defined()) z.add_(layer.input_bias + layer.hidden_bias);
    gates_ = z.view({time, batch, 4, hidden});
    gates_.slice(2, 0, 2).sigmoid_();
    gates_.select(2, 2).tanh_();
    gates_.select(2, 3).sigmoid_();
    const at::Tensor input = gates_.select(2, 0) * gates_.select(2, 2);
    cells_ = at::empty({time + 1, batch, hidden}, x_.options());
    cells_[0].copy_(layer.cell);
    for (int64_t t = 0; t < time; ++t) {
      at::Tensor next = cells_[t + 1];
      at::addcmul_out(next, input[t], gates_[t].select(1, 1), cells_[t]);
    }
  }

  const at::Tensor& x() const { return x_; }
  const at::Tensor& h_before() const { return h_before_; }

  // From the gradients of all h_t [time, batch, hidden] and of the last h and c [batch, hidden], where they
  // are defined, to those of all z_t [time, batch, 4 hidden].
  at::Tensor gate_gradients(const at::Tensor& output, const at::Tensor& hidden,
                            const at::Tensor& cell) const {
    const at::Tensor squashed = cells_.slice(0, 1).tanh();
    const at::Tensor dz = at::empty_like(gates_).flatten(2);
    const at::Tensor from_output = output.defined() ? in_time(output) : at::Tensor();
    at::Tensor dh = zeros_or(hidden), dc = zeros_or(cell);
    for (int64_t t = x_.size(0) - 1; t >= 0; --t) {
      if (from_output.defined()) dh.add_(from_output[t]);
      step(gates_[t].data_ptr<float>(), cells_[t].data_ptr<float>(), squashed[t].data_ptr<float>(),
           dh.data_ptr<float>(), dc.data_ptr<float>(), dz[t].data_ptr<float>());
      if (t > 0) at::mm_out(dh, dz[t], weight_);
    }
    return dz;
  }

 private:
  at::Tensor in_time(const at::Tensor& x) const { return reverse_ ? x.flip(0) : x; }

  at::Tensor zeros_or(const at::Tensor& state) const {
    const at::Tensor zeros = at::zeros(h_before_.sizes().slice(1), h_before_.options());
    return state.defined() ? zeros.copy_(state) : zeros;
  }

  // One step for all rows: dc becomes the gradient of the cell state before.
  void step(const float* gates, const float* before, const float* squashed, const float* dh, float* dc,
            float* dz) const {
    const int64_t hidden = h_before_.size(2);
    at::parallel_for(
        0, h_before_.size(1), std::max<int64_t>(1, 16384 / hidden), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const int64_t at = row * hidden;
            step_of_row(hidden, gates + 4 * at, before + at, squashed + at, dh + at, dc + at, dz + 4 * at);
          }
        });
  }

  bool reverse_;
  at::Tensor weight_, x_, h_before_;
  at::Tensor gates_;  // [time, batch, 4, hidden]
  at::Tensor cells_;  // [time + 1, batch, hidden], the first state first
};

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  const bool is_state = input == LstmLayer::kInput || input >= LstmLayer::kHidden;
  if (is_state) return "it stands where the rows of the batch are expected";
  const LstmLayer layer = lstm_layer(node);
  if (layer.packed) return "the sequences are packed";
  if (layer.output.scalar_type() != at::kFloat) return "it is not of floats";
  if (layout.sole_owner()) return "";
  const auto place = layout.place(output_shape(node));
  return place && place->dimension == 1 ? "" : "the batch is not its second dimension";
}

// The states are [batch, hidden], the output [time, batch, hidden].
std::optional<Layout> first_layout(Node& node, uint32_t output, const Layout& layout) {
  const Shape out = output_shape(node);
  if (const auto owner = layout.sole_owner()) return layout.whole(out, *owner);
  auto place = layout.place(output_shape(node, output));
  if (!place || place->dimension != 0) return {};
  place->dimension = 1;
  return layout.at(out, *place);
}

std::vector<std::unique_ptr<Gradients>> gradients(Node& node, const std::vector<uint32_t>& inputs,
                                                  const std::vector<at::Tensor>& of_outputs,
                                                  const Layout& layout) {
  const LstmLayer layer = lstm_layer(node);
  const BackThroughTime back(layer);
  const Shape out = layer.output.sizes().vec();
  const auto by_sample = [&](const at::Tensor& x) { return layout.samples_first(x, 1, out, 1).contiguous(); };
  const at::Tensor dz = by_sample(back.gate_gradients(of_outputs[0], of_outputs[1], of_outputs[2]));
  std::vector<std::unique_ptr<Gradients>> result;
  for (uint32_t input : inputs) {
    if (input == LstmLayer::kInputWeight) {
      result.push_back(std::make_unique<OuterProducts>(dz, by_sample(back.x())));
    } else if (input == LstmLayer::kHiddenWeight) {
      result.push_back(std::make_unique<OuterProducts>(dz, by_sample(back.h_before())));
    } else {
      result.push_back(std::make_unique<RowGradients>(middle_sums(dz), Shape{dz.size(2)}));
    }
  }
  return result;
}

constexpr OutputsRule kOutputs{first_layout, gradients};

}  // namespace

namespace rules {
extern const Rule kFusedLstm;
const Rule kFusedLstm{"fused long short-term memory", "MkldnnRnnLayerBackward0", refuse, nullptr, &kOutputs};
}  // namespace rules
}  // namespace discreet
