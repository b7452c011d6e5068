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

#include <algorithm>
#include <functional>

#include "discreet/dp/rules/lstm_cell.h"
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_gradients.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/rule.h"

namespace discreet {
namespace {

using namespace libtorch;

// Work on the rows of a batch, each thread through all of time for its own: so few that the gates of a time
// stay in its cache.
void for_rows(int64_t batch, const std::function<void(int64_t begin, int64_t end)>& work) {
  constexpr int64_t kMost = 128;
  const int64_t threads = std::max(1, at::get_num_threads());
  at::parallel_for(0, batch, std::min(kMost, (batch + threads - 1) / threads),
                   [&](int64_t begin, int64_t end) {
                     at::NoGradGuard no_grad;
                     for (; begin < end; begin += kMost) work(begin, std::min(end, begin + kMost));
                   });
}

// Everything in the order in which the layer went through time. Used once: what flows back takes the memory
// of the gates.
class BackThroughTime {
 public:
  explicit BackThroughTime(const LstmLayer& layer)
      : reverse_(layer.reverse),
        weight_(layer.hidden_weight),
        x_(in_time(layer.input).contiguous()),
        h_before_(
            at::cat({layer.hidden.unsqueeze(0), in_time(layer.output)}).slice(0, 0, layer.output.size(0))) {
    const int64_t time = x_.size(0), batch = x_.size(1), hidden = h_before_.size(2);
    const at::Tensor of_hidden = weight_.t(), of_input = layer.input_weight.t();
    const at::Tensor bias = layer.input_bias.defined() ? layer.input_bias + layer.hidden_bias : at::Tensor();
    gates_ = at::empty({time, batch, 4 * hidden}, x_.options());
    cells_ = at::empty({time + 1, batch, hidden}, x_.options());
    cells_[0].copy_(layer.cell);
    for_rows(batch, [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < time; ++t) {
        at::Tensor own = gates_[t].slice(0, begin, end);
        if (bias.defined())
          at::addmm_out(own, bias, x_[t].slice(0, begin, end), of_input);
        else
          at::mm_out(own, x_[t].slice(0, begin, end), of_input);
        own.addmm_(h_before_[t].slice(0, begin, end), of_hidden);
        for (int64_t row = begin; row < end; ++row)
          lstm_step(hidden, gates(t, row), cell(t, row), cell(t + 1, row));
      }
    });
  }

  const at::Tensor& x() const { return x_; }
  const at::Tensor& h_before() const { return h_before_; }
  at::Tensor in_time(const at::Tensor& x) const { return reverse_ ? x.flip(0) : x; }

  struct Flowing {
    at::Tensor z;             // of all z_t [time, batch, 4 hidden]
    at::Tensor x;             // of all x_t [time, batch, input], where it was asked for
    at::Tensor hidden, cell;  // of the first states [batch, hidden]
  };

  // From the gradients of all h_t [time, batch, hidden] and of the last h and c [batch, hidden], where they
  // are defined; with input_weight also that of x.
  Flowing flow(const at::Tensor& output, const at::Tensor& hidden, const at::Tensor& cell,
               const at::Tensor& input_weight) {
    const int64_t width = h_before_.size(2);
    const at::Tensor from_output = output.defined() ? in_time(output) : at::Tensor();
    const at::Tensor dh = zeros_or(hidden), dc = zeros_or(cell);
    const at::Tensor dx = input_weight.defined() ? at::empty_like(x_) : at::Tensor();
    for_rows(x_.size(1), [&](int64_t begin, int64_t end) {
      const at::Tensor own = dh.slice(0, begin, end);
      for (int64_t t = x_.size(0) - 1; t >= 0; --t) {
        if (from_output.defined()) own.add_(from_output[t].slice(0, begin, end));
        for (int64_t row = begin; row < end; ++row)
          lstm_step_back(width, gates(t, row), this->cell(t, row), this->cell(t + 1, row),
                         dh.data_ptr<float>() + row * width, dc.data_ptr<float>() + row * width);
        const at::Tensor dz = gates_[t].slice(0, begin, end);
        at::Tensor next = own;
        at::mm_out(next, dz, weight_);
        if (!dx.defined()) continue;
        at::Tensor of_input = dx[t].slice(0, begin, end);
        at::mm_out(of_input, dz, input_weight);
      }
    });
    return {gates_, dx, dh, dc};
  }

 private:
  float* gates(int64_t t, int64_t row) {
    return gates_.data_ptr<float>() + t * gates_.stride(0) + row * gates_.stride(1);
  }
  float* cell(int64_t t, int64_t row) {
    return cells_.data_ptr<float>() + t * cells_.stride(0) + row * cells_.stride(1);
  }

  at::Tensor zeros_or(const at::Tensor& state) const {
    const at::Tensor zeros = at::zeros(h_before_.sizes().slice(1), h_before_.options());
    return state.defined() ? zeros.copy_(state) : zeros;
  }

  bool reverse_;
  at::Tensor weight_, x_, h_before_;
  at::Tensor gates_;  // [time, batch, 4 hidden]; in the end the gradients of z
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
                                                  const Layout& layout, std::vector<at::Tensor>* passed_on) {
  const LstmLayer layer = lstm_layer(node);
  BackThroughTime back(layer);
  const Shape out = layer.output.sizes().vec();
  const bool has_input = node.next_edge(LstmLayer::kInput).is_valid();
  const BackThroughTime::Flowing flowing =
      back.flow(of_outputs[0], of_outputs[1], of_outputs[2], has_input ? layer.input_weight : at::Tensor());
  const auto by_sample = [&](const at::Tensor& x) { return layout.samples_first(x, 1, out, 1); };
  const at::Tensor dz = by_sample(flowing.z), sums = middle_sums(dz);
  const at::Tensor x = by_sample(back.x()), h = by_sample(back.h_before());
  const auto has = [&](uint32_t input) { return std::count(inputs.begin(), inputs.end(), input) > 0; };
  std::shared_ptr<outer::JointNorms> joint;
  if (has(LstmLayer::kInputWeight) && has(LstmLayer::kHiddenWeight))
    joint = std::make_shared<outer::JointNorms>(dz, std::vector<at::Tensor>{x, h});
  std::vector<std::unique_ptr<Gradients>> result;
  for (uint32_t input : inputs) {
    if (input == LstmLayer::kInputWeight) {
      result.push_back(std::make_unique<OuterProducts>(dz, x, joint, 0));
    } else if (input == LstmLayer::kHiddenWeight) {
      result.push_back(std::make_unique<OuterProducts>(dz, h, joint, 1));
    } else {
      result.push_back(std::make_unique<RowGradients>(sums, Shape{dz.size(2)}));
    }
  }
  if (has_input) (*passed_on)[LstmLayer::kInput] = back.in_time(flowing.x);
  if (node.next_edge(LstmLayer::kHidden).is_valid()) (*passed_on)[LstmLayer::kHidden] = flowing.hidden;
  if (node.next_edge(LstmLayer::kCell).is_valid()) (*passed_on)[LstmLayer::kCell] = flowing.cell;
  return result;
}

constexpr OutputsRule kOutputs{first_layout, gradients};

}  // namespace

namespace rules {
extern const Rule kFusedLstm;
const Rule kFusedLstm{"fused long short-term memory", "MkldnnRnnLayerBackward0", refuse, nullptr, &kOutputs};
}  // namespace rules
}  // namespace discreet
