#include "python/src/mirror.h"

#include <map>

namespace discreet::python {
namespace {

class Part : public torch::nn::Module {};

class Tree {
 public:
  Tree() { parts_[""] = std::make_shared<Part>(); }

  // The module that holds the tensor of this name, and the name there.
  std::pair<Part&, std::string> place(const std::string& name) {
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) return {*parts_[""], name};
    return {*part(name.substr(0, dot)), name.substr(dot + 1)};
  }

  std::shared_ptr<Part> root() { return parts_[""]; }

 private:
  std::shared_ptr<Part> part(const std::string& path) {
    std::shared_ptr<Part>& found = parts_[path];
    if (!found) {
      found = std::make_shared<Part>();
      const auto [parent, name] = place(path);
      parent.register_module(name, found);
    }
    return found;
  }

  std::map<std::string, std::shared_ptr<Part>> parts_;  // by their paths
};

}  // namespace

std::shared_ptr<torch::nn::Module> mirror(const NamedTensors& parameters, const NamedTensors& buffers) {
  Tree tree;
  for (const auto& [name, tensor] : parameters) {
    const auto [part, own] = tree.place(name);
    part.register_parameter(own, tensor, tensor.requires_grad());
  }
  for (const auto& [name, tensor] : buffers) {
    const auto [part, own] = tree.place(name);
    part.register_buffer(own, tensor);
  }
  return tree.root();
}

}  // namespace discreet::python
