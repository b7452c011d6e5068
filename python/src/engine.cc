// discreet._engine: the privacy engine over a Python module's tensors. What runs Python (the model, a loss, a
// ledger of one's own) takes the interpreter's lock for that long; all else computes without it.
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>
#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "discreet/dp/privacy_engine.h"
#include "discreet/store/ledger.h"
#include "python/src/errors.h"
#include "python/src/group.h"
#include "python/src/mirror.h"
#include "python/src/structure.h"

namespace {

using namespace discreet;
using namespace discreet::python;
using Unlocked = py::call_guard<py::gil_scoped_release>;
using Records = std::function<std::vector<std::string>(int64_t begin, int64_t end)>;

constexpr int64_t kRecordsAtOnce = 256;

// Errors of the engine leave torch's backward as Python's own.
void in_backward(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    const py::gil_scoped_acquire lock;
    set_error(error);
    python_error raised;
    raised.persist();
    throw raised;
  } catch (py::error_already_set& error) {
    const py::gil_scoped_acquire lock;
    error.restore();
    python_error raised;
    raised.persist();
    throw raised;
  }
}

template <typename T>
T get(const py::dict& options, const char* name) {
  try {
    return options[name].cast<T>();
  } catch (const py::cast_error&) {
    throw Error(ErrorKind::kInvalidArgument, std::string(name) + ": a value of another type is needed");
  }
}

template <typename Choice>
Choice choose(const py::dict& options, const char* name,
              const std::vector<std::pair<const char*, Choice>>& choices) {
  const auto given = get<std::string>(options, name);
  std::string allowed;
  for (const auto& [word, choice] : choices) {
    if (given == word) return choice;
    allowed += (allowed.empty() ? "" : ", ") + std::string(word);
  }
  throw Error(ErrorKind::kInvalidArgument, std::string(name) + " must be one of: " + allowed);
}

Clipping clipping(const py::dict& options) {
  Clipping result;
  result.style = choose<Clipping::Style>(options, "clipping",
                                         {{"flat", Clipping::Style::kFlat},
                                          {"normalised", Clipping::Style::kFlat},
                                          {"adaptive", Clipping::Style::kFlat},
                                          {"per-layer", Clipping::Style::kPerLayer},
                                          {"per-group", Clipping::Style::kPerGroup}});
  result.normalise = get<std::string>(options, "clipping") == "normalised";
  for (const auto& [prefix, norm] : get<std::vector<std::pair<std::string, double>>>(options, "groups"))
    result.groups.push_back({prefix, norm});
  result.stability = get<double>(options, "stability");
  result.max_weight = get<double>(options, "max_weight");
  return result;
}

std::optional<AdaptiveClipping> adaptive(const py::dict& options) {
  if (get<std::string>(options, "clipping") != "adaptive") return {};
  AdaptiveClipping result;
  result.target_quantile = get<double>(options, "target_quantile");
  result.learning_rate = get<double>(options, "clip_learning_rate");
  result.count_noise_multiplier = get<std::optional<double>>(options, "count_noise_multiplier");
  return result;
}

PrivacyOptions read_options(const py::dict& o) {
  PrivacyOptions result;
  result.batch_size = get<int64_t>(o, "batch_size");
  result.sample_size = get<double>(o, "sample_size");
  result.noise_multiplier = get<double>(o, "noise_multiplier");
  result.max_grad_norm = get<double>(o, "max_grad_norm");
  result.clipping = clipping(o);
  result.adaptive_clipping = adaptive(o);
  result.loss_reduction =
      choose<Reduction>(o, "loss_reduction", {{"mean", Reduction::kMean}, {"sum", Reduction::kSum}});
  result.relation = parse_relation(get<std::string>(o, "relation"));
  result.steps_before = get<int64_t>(o, "steps_before");
  if (!o["charge"].is_none()) result.charge = get<std::function<void(int64_t)>>(o, "charge");
  result.ledger = get<std::string>(o, "ledger");
  result.ledger_dataset = get<std::string>(o, "ledger_dataset");
  result.ledger_unit_column = get<std::string>(o, "ledger_unit_column");
  result.ledger_run = get<std::string>(o, "ledger_run");
  result.ledger_steps = get<int64_t>(o, "ledger_steps");
  result.ledger_delta = get<double>(o, "ledger_delta");
  result.grad_mode =
      choose<GradMode>(o, "grad_mode", {{"graph", GradMode::kGraph}, {"exact_slow", GradMode::kExactSlow}});
  result.norm_way = choose<NormWay>(
      o, "norm_way",
      {{"automatic", NormWay::kAutomatic}, {"ghost", NormWay::kGhost}, {"direct", NormWay::kDirect}});
  result.batch_dimension = get<int64_t>(o, "batch_dimension");
  result.check_first_batch = get<bool>(o, "check_first_batch");
  result.independent_buffers = get<std::vector<std::string>>(o, "independent_buffers");
  result.seed_for_tests = get<std::optional<uint64_t>>(o, "seed_for_tests");
  result.unaccounted = get<bool>(o, "unaccounted");
  if (!o["processes"].is_none()) {
    result.processes = processes_of(o["processes"]);
    result.placement = choose<Placement>(
        o, "placement",
        {{"whole-on-each", Placement::kWholeOnEach}, {"part-on-each", Placement::kPartOnEach}});
  }
  result.evaluating = get<std::function<void(bool)>>(o, "evaluating");
  result.in_backward = in_backward;
  return result;
}

std::unique_ptr<PrivacyEngine> make_engine(const NamedTensors& parameters, const NamedTensors& buffers,
                                           const py::dict& options) {
  PrivacyOptions read = read_options(options);
  const py::gil_scoped_release unlocked;
  return std::make_unique<PrivacyEngine>(mirror(parameters, buffers), std::move(read));
}

// The engine looks at what an optimizer holds and keeps nothing of it.
void attach(PrivacyEngine& engine, const std::vector<at::Tensor>& held) {
  torch::optim::SGD stand_in(held, torch::optim::SGDOptions(0));
  engine.attach(stand_in);
}

Pieces pieces(PrivacyEngine& engine, int64_t rows, const std::vector<int64_t>& units,
              std::optional<int64_t> draws, const Records& records) {
  const auto visit_all = [rows, records](const Rows::Visit& visit) {
    for (int64_t begin = 0; begin < rows; begin += kRecordsAtOnce)
      for (const std::string& bytes : records(begin, std::min(rows, begin + kRecordsAtOnce))) visit(bytes);
  };
  return engine.pieces({rows, units, visit_all}, draws);
}

// Numbers of rows, int64 [rows]; nothing at the end of a pass.
std::optional<at::Tensor> next_rows(Pieces& pieces) {
  const DrawPiece* piece = pieces.next();
  if (piece == nullptr) return {};
  return torch::tensor(piece->rows, at::kLong);
}

using Forward = std::function<at::Tensor(at::Tensor rows)>;
using Loss = std::function<at::Tensor(at::Tensor output, at::Tensor rows)>;

void bind_plan(py::module_& module) {
  py::class_<SumRounding>(module, "SumRounding")
      .def_readonly("probable", &SumRounding::probable)
      .def_readonly("proven", &SumRounding::proven);
  py::class_<ClipPlanEntry>(module, "ClipPlanEntry")
      .def_readonly("parameter", &ClipPlanEntry::parameter)
      .def_readonly("rule", &ClipPlanEntry::rule)
      .def_readonly("operation", &ClipPlanEntry::operation)
      .def_readonly("way", &ClipPlanEntry::way)
      .def_readonly("flops", &ClipPlanEntry::flops)
      .def_readonly("bytes", &ClipPlanEntry::bytes)
      .def_readonly("norm_rounding", &ClipPlanEntry::norm_rounding)
      .def_readonly("sum_rounding", &ClipPlanEntry::sum_rounding);
  py::class_<ClipPlan>(module, "ClipPlan")
      .def_readonly("entries", &ClipPlan::entries)
      .def_readonly("rows", &ClipPlan::rows)
      .def_readonly("units", &ClipPlan::units)
      .def_readonly("sum_rounding", &ClipPlan::sum_rounding)
      .def_readonly("measured_rounding", &ClipPlan::measured_rounding)
      .def("table", &ClipPlan::table)
      .def("__str__", &ClipPlan::table);
  py::class_<ClipCounts>(module, "ClipCounts")
      .def_readonly("units", &ClipCounts::units)
      .def_readonly("clipped", &ClipCounts::clipped)
      .def_readonly("not_finite", &ClipCounts::not_finite);
}

void bind_engine(py::module_& module) {
  py::class_<Pieces>(module, "Pieces").def("next", &next_rows, Unlocked()).def("__len__", &Pieces::size);
  py::class_<PrivacyEngine>(module, "Engine")
      .def(py::init(&make_engine))
      .def("attach", &attach, Unlocked())
      .def("accumulate", &PrivacyEngine::accumulate)
      .def("pieces", &pieces, Unlocked())
      .def("hand_in", &PrivacyEngine::hand_in, Unlocked())
      .def("handed_out", &PrivacyEngine::handed_out)
      .def("needs_model", &PrivacyEngine::needs_model)
      .def(
          "watch",
          [](PrivacyEngine& engine, const Forward& forward, const at::Tensor& rows) {
            return engine.watch(forward, rows);
          },
          Unlocked())
      .def(
          "watch_output",
          [](PrivacyEngine& engine, const at::Tensor& output) { return engine.watch(output); }, Unlocked())
      .def("weigh", &PrivacyEngine::weigh, Unlocked())
      .def("before_step", &PrivacyEngine::before_step, Unlocked())
      .def("forfeit", &PrivacyEngine::forfeit, Unlocked())
      .def("epsilon", &PrivacyEngine::epsilon, Unlocked())
      .def("event", [](const PrivacyEngine& engine) { return engine.event().to_json().dump(); })
      .def("steps", &PrivacyEngine::steps)
      .def("max_grad_norm", &PrivacyEngine::max_grad_norm)
      .def("gradient_stddev", &PrivacyEngine::gradient_stddev)
      .def("is_private", &PrivacyEngine::is_private)
      .def("ledger_run", &PrivacyEngine::ledger_run)
      .def("counts", &PrivacyEngine::counts, py::return_value_policy::copy)
      .def(
          "check",
          [](PrivacyEngine& engine, const Forward& forward, const Loss& loss, const at::Tensor& rows) {
            engine.check(forward, loss, rows, rows);
          },
          Unlocked())
      .def(
          "plan",
          [](PrivacyEngine& engine, const Forward& forward, const Loss& loss, const at::Tensor& rows,
             bool measure) { return engine.plan(forward, loss, rows, rows, {.measure = measure}); },
          Unlocked());
}

}  // namespace

PYBIND11_MODULE(_engine, module) {
  translate_errors();
  bind_plan(module);
  bind_engine(module);
  module.def("is_the_same", &is_the_same);
  module.def("default_ledger", [] { return Ledger::default_path().string(); });
}
