// discreet._accounting: what needs no tensors, the accountants and the package's check. Every function gives
// up the interpreter's lock while it computes; documents go over as JSON.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "discreet/accounting/accountant.h"
#include "discreet/accounting/calibrate.h"
#include "discreet/accounting/event.h"
#include "discreet/accounting/plan.h"
#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/package/package.h"
#include "discreet/package/verify.h"
#include "python/src/errors.h"

namespace {

using namespace discreet;
namespace py = pybind11;
using Unlocked = py::call_guard<py::gil_scoped_release>;
using Bounds = std::pair<double, double>;

Event steps_of(double sample_rate, double noise_multiplier, int64_t steps) {
  return Event::repeated(Event::poisson_sampled(sample_rate, Event::gaussian(noise_multiplier)), steps);
}

Target target(double epsilon, double delta, const std::string& relation, const std::string& accountant) {
  return {epsilon, delta, parse_relation(relation), parse_accountant(accountant)};
}

Bounds pair(const PldBounds& bounds) {
  return {bounds.lower, bounds.upper};
}

void bind_event(py::module_& module) {
  py::class_<Event>(module, "Event")
      .def_static("gaussian", &Event::gaussian)
      .def_static("discrete_gaussian", &Event::discrete_gaussian)
      .def_static("matrix_gaussian", &Event::matrix_gaussian)
      .def_static("laplace", &Event::laplace)
      .def_static("discrete_laplace", &Event::discrete_laplace)
      .def_static("randomized_response", &Event::randomized_response)
      .def_static("exponential_mechanism", &Event::exponential_mechanism)
      .def_static("epsilon_delta", &Event::epsilon_delta)
      .def_static("poisson_sampled", &Event::poisson_sampled)
      .def_static("fixed_size_sampled", &Event::fixed_size_sampled)
      .def_static("thresholded_selection", &Event::thresholded_selection)
      .def_static("repeated", &Event::repeated)
      .def_static("composed", &Event::composed)
      .def_static("steps", &steps_of)
      .def_static("from_json",
                  [](const std::string& text) {
                    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
                    if (json.is_discarded())
                      throw Error(ErrorKind::kInvalidArgument, "this event is not a JSON document");
                    return Event::from_json(json);
                  })
      .def("to_json", [](const Event& event) { return event.to_json().dump(); })
      .def("__eq__", [](const Event& a, const Event& b) { return a == b; });
}

void bind_curve(py::module_& module) {
  py::class_<PldCurve>(module, "Curve")
      .def(py::init([](const Event& event, const std::string& relation) {
             return PldCurve(event, parse_relation(relation));
           }),
           Unlocked())
      .def(
          "epsilon", [](PldCurve& curve, double delta) { return pair(curve.epsilon(delta)); }, Unlocked())
      .def(
          "delta", [](PldCurve& curve, double epsilon) { return pair(curve.delta(epsilon)); }, Unlocked())
      .def("true_positive_rate", &PldCurve::true_positive_rate, Unlocked());
}

std::string plan_json(double epsilon, double delta, const std::string& relation,
                      std::optional<double> sample_size, std::optional<int64_t> batch_size,
                      std::optional<double> epochs, std::optional<int64_t> steps, double statistics_share) {
  return make_plan({epsilon, delta, parse_relation(relation), sample_size, batch_size, epochs, steps,
                    statistics_share})
      .to_json()
      .dump();
}

}  // namespace

PYBIND11_MODULE(_accounting, module) {
  discreet::python::translate_errors();
  bind_event(module);
  bind_curve(module);
  module.def(
      "epsilon",
      [](const Event& event, const std::string& relation, double delta, const std::string& accountant) {
        return upper_epsilon(parse_accountant(accountant), event, parse_relation(relation), delta);
      },
      Unlocked());
  module.def(
      "tightest_epsilon",
      [](const Event& event, const std::string& relation, double delta) {
        return tightest_epsilon(event, parse_relation(relation), delta).epsilon;
      },
      Unlocked());
  module.def(
      "noise_multiplier",
      [](double epsilon, double delta, double sample_rate, int64_t steps, const std::string& relation,
         const std::string& accountant) {
        return calibrate_noise_multiplier(target(epsilon, delta, relation, accountant), sample_rate, steps);
      },
      Unlocked());
  module.def(
      "steps",
      [](double epsilon, double delta, double sample_rate, double noise_multiplier,
         const std::string& relation, const std::string& accountant) {
        return calibrate_steps(target(epsilon, delta, relation, accountant), sample_rate, noise_multiplier);
      },
      Unlocked());
  module.def(
      "sample_rate",
      [](double epsilon, double delta, double noise_multiplier, int64_t steps, const std::string& relation,
         const std::string& accountant) {
        return calibrate_sample_rate(target(epsilon, delta, relation, accountant), noise_multiplier, steps);
      },
      Unlocked());
  module.def("plan", &plan_json, Unlocked());
  module.def(
      "verify",
      [](const std::string& package) {
        return verify_package(package).to_json().dump(-1, ' ', false, Json::error_handler_t::replace);
      },
      Unlocked());
  module.def("package_file", [](const std::string& package, const std::string& name) {
    std::string bytes;
    {
      const py::gil_scoped_release unlocked;
      bytes = read_package_file(package, name);
    }
    return py::bytes(bytes);
  });
}
