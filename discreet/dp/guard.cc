#include "discreet/dp/guard.h"

#include <algorithm>
#include <cstring>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/dp/on_device.h"

namespace discreet {

RawGradientGuard::RawGradientGuard(const std::vector<TrainedParameter>& parameters,
                                   const InBackward& in_backward) {
  for (const TrainedParameter& parameter : parameters) {
    const auto refuse = [name = parameter.name] {
      throw Error(
          ErrorKind::kUnsupported,
          "a gradient reached parameter '" + name +
              "' round the privacy engine: the loss may depend on it only through the watched output (no "
              "regulariser in the loss: use the optimizer's weight_decay; no second output; no sub-module "
              "called directly)");
    };
    const auto stop = [refuse, in_backward, paused = paused_](const at::TensorBase&) {
      if (*paused > 0) return;
      if (in_backward) in_backward(refuse);
      refuse();
    };
    hooks_.emplace_back(parameter.tensor, parameter.tensor.register_hook(stop));
  }
}

void RawGradientGuard::lift() {
  for (const auto& [tensor, hook] : hooks_) tensor.remove_hook(hook);
  hooks_.clear();
}

void ReleasedGradients::set(const std::vector<at::Tensor>& gradients) {
  released_.clear();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor gradient = gradients.empty() ? at::Tensor() : gradients[i];
    parameters_[i].tensor.mutable_grad() = gradient;
    released_.emplace_back(gradient, gradient.defined() ? static_cast<int64_t>(gradient._version()) : 0);
  }
}

void ReleasedGradients::check() const {
  for (size_t i = 0; i < released_.size(); ++i) {
    const at::Tensor now = parameters_[i].tensor.grad();
    if (!now.defined()) continue;
    const auto& [released, version] = released_[i];
    if (released.defined() && now.is_same(released) && static_cast<int64_t>(now._version()) == version)
      continue;
    if (now.count_nonzero().item<int64_t>() == 0) continue;  // zero_grad() that keeps the tensor
    throw Error(ErrorKind::kUnsupported,
                "the gradient of parameter '" + parameters_[i].name +
                    "' was changed between its private release and the next draw: only "
                    "the engine may write it (and zero_grad)");
  }
}

void ReleasedGradients::check_step() const {
  if (!released_.empty()) return check();
  for (const TrainedParameter& parameter : parameters_) {
    const at::Tensor now = parameter.tensor.grad();
    if (now.defined() && now.count_nonzero().item<int64_t>() != 0)
      throw Error(ErrorKind::kUnsupported,
                  "optimizer.step() before the first release: the gradient of parameter '" + parameter.name +
                      "' is from before the engine was made, and was never clipped; zero_grad() first");
  }
}

namespace {

// Of the bytes; not against an adversary.
uint64_t mark(const at::Tensor& tensor) {
  if (tensor.is_meta()) return 0;  // it has none
  const at::Tensor here = tensor.detach().cpu().contiguous();
  const auto* bytes = static_cast<const unsigned char*>(here.data_ptr());
  const size_t size = here.nbytes(), words = size / sizeof(uint64_t);
  uint64_t lanes[4] = {1, 2, 3, 4};  // which do not wait for each other
  for (size_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes + i * sizeof(word), sizeof(word));
    lanes[i % 4] = (lanes[i % 4] ^ word) * 0x9E3779B97F4A7C15ull;
    lanes[i % 4] ^= lanes[i % 4] >> 32;
  }
  for (size_t i = words * sizeof(uint64_t); i < size; ++i)
    lanes[0] = (lanes[0] ^ bytes[i]) * 0x9E3779B97F4A7C15ull;
  return lanes[0] ^ (lanes[1] * 3) ^ (lanes[2] * 5) ^ (lanes[3] * 7);
}

int64_t version_of(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<int64_t>(tensor._version());
}

}  // namespace

ParameterGuard::ParameterGuard(const torch::nn::Module& model, std::vector<std::string> independent)
    : model_(model), independent_(std::move(independent)) {}

void ParameterGuard::remember() {
  if (!spoiled_.empty()) throw Error(ErrorKind::kUnsupported, spoiled_);
  known_.clear();
  with_contents_ = false;
  for (const auto& parameter : model_.named_parameters())
    if (std::find(independent_.begin(), independent_.end(), parameter.key()) == independent_.end())
      known_.push_back({parameter.key(), parameter.value(), version_of(parameter.value()), 0});
}

void ParameterGuard::remember_contents() {
  remember();
  with_contents_ = true;
  for (Known& known : known_) known.contents = mark(known.tensor);
}

void ParameterGuard::check() {
  if (!spoiled_.empty()) throw Error(ErrorKind::kUnsupported, spoiled_);
  for (const Known& known : known_) {
    if (version_of(known.tensor) == known.version &&
        (!with_contents_ || mark(known.tensor) == known.contents))
      continue;
    spoiled_ =
        "parameter '" + known.name +
        "' was written between the draw and its output (max_norm of an embedding? an initialisation "
        "by the first batch?): raw data got into the model past the clip, so make the model anew. Only "
        "optimizer.step() may follow the data; change a parameter by hand before the next draw is "
        "handed out, or name a frozen one in independent_buffers if its updates do not depend on the "
        "data";
    throw Error(ErrorKind::kUnsupported, spoiled_);
  }
}

BufferGuard::BufferGuard(const torch::nn::Module& model, std::vector<std::string> independent)
    : model_(model), independent_(std::move(independent)) {
  std::vector<std::string> names;
  for (const auto& buffer : model.named_buffers()) names.push_back(buffer.key());
  for (const auto& parameter : model.named_parameters())
    if (!parameter.value().requires_grad()) names.push_back(parameter.key());
  for (const std::string& name : independent_)
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string close = nearest(name, names);
      throw Error(ErrorKind::kNotFound, "independent_buffers: the model has no buffer or frozen parameter '" +
                                            name + "'" +
                                            (close.empty() ? "" : "; did you mean '" + close + "'?"));
    }
}

void BufferGuard::remember() {
  at::NoGradGuard no_grad;
  remembered_.clear();
  for (const auto& buffer : model_.named_buffers())
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) == independent_.end())
      remembered_[buffer.key()] = {buffer.value(), version_of(buffer.value()),
                                   buffer.value().detach().clone()};
}

// By what libtorch counts, where comparing the numbers would mean to wait for a device; those are compared
// once, after the first forward pass. Batch normalisation, which counts nothing, is found in the graph.
bool BufferGuard::is_untouched(const at::Tensor& now, const Remembered& before) const {
  return compared_ && is_on_device(now) && now.is_same(before.buffer) && version_of(now) == before.version;
}

void BufferGuard::check() {
  at::NoGradGuard no_grad;
  std::string changed;
  for (const auto& buffer : model_.named_buffers()) {
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) != independent_.end()) continue;
    const auto before = remembered_.find(buffer.key());
    const at::Tensor& now = buffer.value();
    const at::Tensor known = before != remembered_.end() ? before->second.contents : at::Tensor();
    if (known.defined() && is_untouched(now, before->second)) continue;
    const bool same = known.defined() && now.sizes().equals(known.sizes()) &&
                      (now == known).logical_or((now != now).logical_and(known != known)).all().item<bool>();
    if (same) continue;
    if (changed.empty()) changed = buffer.key();
    if (!known.defined()) continue;
    if (now.sizes().equals(known.sizes()) && !now.is_inference())
      now.copy_(known);
    else
      now.set_data(known.clone());
  }
  if (!changed.empty())
    throw Error(ErrorKind::kUnsupported,
                "buffer '" + changed +
                    "' changed during training: running statistics would carry raw data into the model. Use "
                    "group or layer normalisation, or name the buffer in independent_buffers if its updates "
                    "do not depend on the data (what it held before is there again)");
  compared_ = true;
}

}  // namespace discreet
