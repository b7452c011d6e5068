// Whether a model still consists of the modules and tensors that it had. Looked at each step: so by identity,
// without names.
#pragma once

#include <pybind11/pybind11.h>

namespace discreet::python {

// parts: of each module (itself, and tuples of what its _modules, _parameters and _buffers held, in order).
// They are Python's own, whose garbage collector would not see what is held here.
bool is_the_same(const pybind11::tuple& parts);

}  // namespace discreet::python
