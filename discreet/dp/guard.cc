#include "discreet/dp/guard.h"

#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/base/text.h"

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

RawGradientGuard::~RawGradientGuard() {
  for (const auto& [tensor, hook] : hooks_) tensor.remove_hook(hook);
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

BufferGuard::BufferGuard(const torch::nn::Module& model, std::vector<std::string> independent)
    : model_(model), independent_(std::move(independent)) {
  std::vector<std::string> names;
  for (const auto& buffer : model.named_buffers()) names.push_back(buffer.key());
  for (const std::string& name : independent_)
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string close = nearest(name, names);
      throw Error(ErrorKind::kNotFound, "independent_buffers: the model has no buffer '" + name + "'" +
                                            (close.empty() ? "" : "; did you mean '" + close + "'?"));
    }
}

void BufferGuard::remember() {
  at::NoGradGuard no_grad;
  remembered_.clear();
  for (const auto& buffer : model_.named_buffers())
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) == independent_.end())
      remembered_[buffer.key()] = buffer.value().detach().clone();
}

void BufferGuard::check() const {
  at::NoGradGuard no_grad;
  for (const auto& buffer : model_.named_buffers()) {
    if (std::find(independent_.begin(), independent_.end(), buffer.key()) != independent_.end()) continue;
    const auto before = remembered_.find(buffer.key());
    const at::Tensor& now = buffer.value();
    const bool same = before != remembered_.end() && now.sizes().equals(before->second.sizes()) &&
                      (now == before->second)
                          .logical_or((now != now).logical_and(before->second != before->second))
                          .all()
                          .item<bool>();
    if (!same)
      throw Error(
          ErrorKind::kUnsupported,
          "buffer '" + buffer.key() +
              "' changed during training: running statistics would carry raw data into the model. Use group "
              "or layer normalisation, or name the buffer in independent_buffers if its updates do not "
              "depend on the data");
  }
}

}  // namespace discreet
