// Whether a Python module still consists of the modules and tensors that it had: looked at twice a step, so
// without names and without the interpreter's loops.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace discreet::python {

class Structure {
 public:
  explicit Structure(const pybind11::object& model);
  bool is_the_same() const;

 private:
  using Values = std::vector<pybind11::object>;
  static constexpr std::array<const char*, 3> kHeld{"_modules", "_parameters", "_buffers"};

  struct Part {
    pybind11::object module;
    std::array<Values, kHeld.size()> held;
  };

  std::vector<Part> parts_;
  std::array<pybind11::object, kHeld.size()> names_;
};

// The first of these parameters on which Python registered a hook of its gradient.
std::optional<size_t> first_with_hooks(const pybind11::list& parameters);

}  // namespace discreet::python
