// A Python module's parameters and buffers as a torch::nn::Module: the same tensors under the same names.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace discreet::python {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;  // "encoder.0.weight"

// A name's parts become modules within modules, since a name of theirs has no dot. It has no forward.
std::shared_ptr<torch::nn::Module> mirror(const NamedTensors& parameters, const NamedTensors& buffers);

}  // namespace discreet::python
