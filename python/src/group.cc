#include "python/src/group.h"

#include <torch/csrc/utils/pybind.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace discreet::python {
namespace {

namespace py = pybind11;

class PythonGroup : public Connection {
 public:
  explicit PythonGroup(const py::object& group)
      : group_(group), rank_(group.attr("rank").cast<int64_t>()), size_(group.attr("size").cast<int64_t>()) {
    check_size();
  }
  ~PythonGroup() override {
    const py::gil_scoped_acquire lock;
    group_ = py::object();
  }

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  void sum(at::Tensor values) override {
    unless_interrupted([&] { Connection::sum(values); });
  }
  void broadcast(at::Tensor values, int64_t from) override {
    unless_interrupted([&] { Connection::broadcast(values, from); });
  }

 protected:
  void exchange_sum(const at::Tensor& values) override { call("sum", values); }
  void exchange_bytes(const at::Tensor& bytes, int64_t from) override { call("broadcast", bytes, from); }

 private:
  template <typename... Arguments>
  void call(const char* method, const Arguments&... arguments) {
    const py::gil_scoped_acquire lock;
    try {
      group_.attr(method)(arguments...);
    } catch (py::error_already_set& error) {
      if (error.matches(PyExc_KeyboardInterrupt)) interrupt_ = std::current_exception();
      throw std::runtime_error(error.what());  // words only: it may be looked at without the lock
    }
  }

  void unless_interrupted(const std::function<void()>& exchange) {
    try {
      exchange();
    } catch (...) {
      if (interrupt_) std::rethrow_exception(std::exchange(interrupt_, nullptr));
      throw;
    }
  }

  py::object group_;
  int64_t rank_, size_;
  std::exception_ptr interrupt_;
};

}  // namespace

std::shared_ptr<Processes> processes_of(const py::object& group) {
  return std::make_shared<PythonGroup>(group);
}

}  // namespace discreet::python
