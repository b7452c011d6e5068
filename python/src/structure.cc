#include "python/src/structure.h"

namespace discreet::python {
namespace {

namespace py = pybind11;

// see(value) for each value of a module's dictionary, in its order, until one says false. -> whether none did
template <typename See>
bool each_value(const py::object& held, const See& see) {
  if (!PyDict_Check(held.ptr())) {  // a scripted module's
    for (const py::handle value : held.attr("values")())
      if (!see(value)) return false;
    return true;
  }
  PyObject *key = nullptr, *value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(held.ptr(), &at, &key, &value) != 0;)
    if (!see(py::handle(value))) return false;
  return true;
}

}  // namespace

Structure::Structure(const py::object& model) {
  for (size_t i = 0; i < kHeld.size(); ++i)
    names_[i] = py::reinterpret_steal<py::object>(PyUnicode_InternFromString(kHeld[i]));
  for (const py::handle module : model.attr("modules")()) {
    Part part{py::reinterpret_borrow<py::object>(module), {}};
    for (size_t i = 0; i < kHeld.size(); ++i)
      each_value(part.module.attr(names_[i]), [&](py::handle value) {
        part.held[i].push_back(py::reinterpret_borrow<py::object>(value));
        return true;
      });
    parts_.push_back(std::move(part));
  }
}

bool Structure::is_the_same() const {
  for (const Part& part : parts_) {
    for (size_t i = 0; i < kHeld.size(); ++i) {
      const Values& before = part.held[i];
      size_t seen = 0;
      const bool same = each_value(part.module.attr(names_[i]), [&](py::handle value) {
        return seen < before.size() && before[seen++].is(value);
      });
      if (!same || seen != before.size()) return false;
    }
  }
  return true;
}

std::optional<size_t> first_with_hooks(const py::list& parameters) {
  static constexpr const char* kHooks[] = {"_backward_hooks", "_post_accumulate_grad_hooks"};
  for (size_t i = 0; i < parameters.size(); ++i)
    for (const char* name : kHooks) {
      const py::object hooks =
          py::getattr(parameters[i], name, py::none());  // PyTorch 1.13 has no second kind
      if (py::bool_(hooks)) return i;
    }
  return std::nullopt;
}

}  // namespace discreet::python
