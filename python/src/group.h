// Several processes over a group that Python's torch.distributed made: PyPI's wheel has Gloo within, without
// headers.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "discreet/dp/processes.h"

namespace discreet::python {

// `group`: discreet/processes.py's Group. Its methods take the interpreter's lock; Ctrl-C within them stays
// Python's KeyboardInterrupt, and nothing is exchanged afterwards.
std::shared_ptr<Processes> processes_of(const pybind11::object& group);

}  // namespace discreet::python
