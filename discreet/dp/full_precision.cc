#include "discreet/dp/full_precision.h"

#include <ATen/Context.h>

#include <functional>
#include <mutex>
#include <type_traits>
#include <vector>

namespace discreet {
namespace {

using Undo = std::vector<std::function<void()>>;

// torch 2.9 and later have a switch for each backend and operation, named by strings and later by numbers.
// One that is `none` has what the backend's or everybody's has, and is to have it again.
template <class Context, class Backend, class Operation, class Precision>
Undo by_operation(Context& context, Precision (Context::*get)(Backend, Operation) const, bool on_processor,
                  bool raise) {
  using B = std::decay_t<Backend>;
  using O = std::decay_t<Operation>;
  using P = std::decay_t<Precision>;
  Undo undo;
  const auto visit = [&](const B& backend, const O& operation, const P& none, const P& full) {
    const P found = (context.*get)(backend, operation);
    if (found == none || found == full) return;
    if (!raise) return undo.push_back({});
    context.setFloat32Precision(backend, operation, none);
    const P before = (context.*get)(backend, operation) == found ? none : found;
    context.setFloat32Precision(backend, operation, full);
    undo.push_back([=, &context] { context.setFloat32Precision(backend, operation, before); });
  };
  if constexpr (std::is_enum_v<B>) {
    visit(on_processor ? B::MKLDNN : B::CUDA, O::CONV, P::NONE, P::IEEE);
    if (on_processor) visit(B::MKLDNN, O::MATMUL, P::NONE, P::IEEE);
  } else {
    visit(on_processor ? "mkldnn" : "cuda", "conv", "none", "ieee");
    if (on_processor) visit("mkldnn", "matmul", "none", "ieee");
  }
  return undo;
}

// What brings back each switch that allows less, which is raised where `raise` says so.
template <class Context>
Undo reduced(Context& context, bool on_processor, bool raise) {
  if constexpr (requires { &Context::float32Precision; }) {
    return by_operation(context, &Context::float32Precision, on_processor, raise);
  } else {
    Undo undo;
    using Found = at::Float32MatmulPrecision;
    if (on_processor) {
      const Found found = context.float32MatmulPrecision();
      if (found == Found::HIGHEST) return undo;
      if (raise) context.setFloat32MatmulPrecision("highest");
      undo.push_back(
          [&, found] { context.setFloat32MatmulPrecision(found == Found::MEDIUM ? "medium" : "high"); });
    } else if (context.allowTF32CuDNN()) {
      if (raise) context.setAllowTF32CuDNN(false);
      undo.push_back([&] { context.setAllowTF32CuDNN(true); });
    }
    return undo;
  }
}

struct Switches {
  std::mutex mutex;
  int users = 0;
  Undo undo;
};

Switches& switches(bool on_processor) {
  static Switches of_processor, of_others;
  return on_processor ? of_processor : of_others;
}

}  // namespace

FullPrecision::FullPrecision(at::Device device) : on_processor_(device.is_cpu()) {
  Switches& all = switches(on_processor_);
  const std::lock_guard lock(all.mutex);
  if (all.users == 0) all.undo = reduced(at::globalContext(), on_processor_, /*raise=*/true);
  ++all.users;
}

FullPrecision::~FullPrecision() {
  Switches& all = switches(on_processor_);
  const std::lock_guard lock(all.mutex);
  if (--all.users > 0) return;
  for (const auto& undo : all.undo) undo();
  all.undo.clear();
}

size_t internal::reduced_precisions(at::Device device) {
  return reduced(at::globalContext(), device.is_cpu(), /*raise=*/false).size();
}

}  // namespace discreet
