#include "python/src/structure.h"

#include <array>

namespace discreet::python {
namespace {

namespace py = pybind11;

bool holds(const py::handle& dictionary, const py::handle& values) {
  if (!PyDict_Check(dictionary.ptr()) || PyDict_GET_SIZE(dictionary.ptr()) != PyTuple_GET_SIZE(values.ptr()))
    return false;
  Py_ssize_t place = 0, i = 0;
  PyObject* value = nullptr;
  while (PyDict_Next(dictionary.ptr(), &place, nullptr, &value))
    if (value != PyTuple_GET_ITEM(values.ptr(), i++)) return false;
  return true;
}

}  // namespace

bool is_the_same(const py::tuple& parts) {
  static const std::array<PyObject*, 3> kNames{PyUnicode_InternFromString("_modules"),
                                               PyUnicode_InternFromString("_parameters"),
                                               PyUnicode_InternFromString("_buffers")};
  for (const py::handle part : parts) {
    if (!PyTuple_Check(part.ptr()) || PyTuple_GET_SIZE(part.ptr()) != 1 + Py_ssize_t{kNames.size()})
      return false;
    for (size_t i = 0; i < kNames.size(); ++i) {
      const auto held =
          py::reinterpret_steal<py::object>(PyObject_GetAttr(PyTuple_GET_ITEM(part.ptr(), 0), kNames[i]));
      if (!held) throw py::error_already_set();
      if (!holds(held, PyTuple_GET_ITEM(part.ptr(), static_cast<Py_ssize_t>(i) + 1))) return false;
    }
  }
  return true;
}

}  // namespace discreet::python
