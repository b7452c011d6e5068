#include "discreet/dp/guard.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

namespace {

// bool []
at::Tensor differ(const at::Tensor& a, const at::Tensor& b) {
  return (a == b).logical_or((a != a).logical_and(b != b)).all().logical_not();
}

}  // namespace

void BufferGuard::remember() {
  at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> now;
  for (const auto& buffer : model_.named_buffers()) {
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) != independent_.end()) continue;
    // On a device what it held at first: a change since is refused and undone once the answer is read.
    const auto before = remembered_.find(buffer.key());
    const bool kept = before != remembered_.end() && is_on_device(buffer.value());
    now[buffer.key()] = kept ? before->second : buffer.value().detach().clone();
  }
  remembered_ = std::move(now);
}

void BufferGuard::check() {
  at::NoGradGuard no_grad;
  for (const auto& buffer : model_.named_buffers()) {
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) != independent_.end()) continue;
    const auto before = remembered_.find(buffer.key());
    const at::Tensor& now = buffer.value();
    if (before == remembered_.end() || !now.sizes().equals(before->second.sizes())) refuse(buffer.key());
    const at::Tensor differs = differ(now, before->second);
    if (is_on_device(now)) {
      differing_ = differing_.defined() ? differing_.logical_or(differs) : differs;
    } else if (differs.item<bool>()) {
      refuse(buffer.key());
    }
  }
}

void BufferGuard::settle() {
  if (!differing_.defined() || differing_.is_meta()) return;
  if (std::exchange(differing_, at::Tensor()).item<bool>()) refuse("");
}

// changed: its name, or empty: the first that differs now.
void BufferGuard::refuse(std::string changed) {
  at::NoGradGuard no_grad;
  for (const auto& buffer : model_.named_buffers()) {
    const auto before = remembered_.find(buffer.key());
    if (before == remembered_.end()) continue;
    const at::Tensor &now = buffer.value(), &known = before->second;
    const bool of_one_shape = now.sizes().equals(known.sizes());
    if (of_one_shape && !differ(now, known).item<bool>()) continue;
    if (changed.empty()) changed = buffer.key();
    if (of_one_shape && !now.is_inference())
      now.copy_(known);
    else
      now.set_data(known.clone());
  }
  differing_ = at::Tensor();
  throw Error(ErrorKind::kUnsupported,
              (changed.empty() ? "a buffer" : "buffer '" + changed + "'") +
                  " changed during training: running statistics would carry raw data into the model. Use "
                  "group or layer normalisation, or name the buffer in independent_buffers if its updates "
                  "do not depend on the data (what it held before is there again)");
}

}  // namespace discreet
