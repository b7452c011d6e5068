// discreet::Error as Python's discreet.Error, with the same message and kind.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "discreet/base/error.h"

namespace discreet::python {

namespace py = pybind11;

// Sets the interpreter's error; needs its lock.
inline void set_error(const Error& error) {
  const py::object type = py::module_::import("discreet.errors").attr("Error");
  std::string words = error.what();
  if (words.find("CompiledFunctionBackward") != std::string::npos)
    words += "; torch.compile made that function: train the model itself, uncompiled";
  const py::object made = type(words, std::string(to_string(error.kind())));
  PyErr_SetObject(type.ptr(), made.ptr());
}

inline void translate_errors() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      set_error(error);
    }
  });
}

}  // namespace discreet::python
