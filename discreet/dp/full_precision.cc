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
template <class Context, class Backend, class Operation, class Precision>
Undo by_operation(Context& context, Precision (Context::*get)(Backend, Operation) const, bool raise) {
  using B = std::decay_t<Backend>;
  using O = std::decay_t<Operation>;
  using P = std::decay_t<Precision>;
  Undo undo;
  const auto visit = [&](const B& backend, const O& operation, const P& none, const P& full) {
    const P found = (context.*get)(backend, operation);
    if (found == none || found == full) return;
    if (raise) context.setFloat32Precision(backend, operation, full);
    undo.push_back([=, &context] { context.setFloat32Precision(backend, operation, found); });
  };
  if constexpr (std::is_enum_v<B>) {
    for (const B backend : {B::CUDA, B::MKLDNN})
      for (const O operation : {O::MATMUL, O::CONV}) visit(backend, operation, P::NONE, P::IEEE);
  } else {
    for (const char* backend : {"cuda", "mkldnn"})
      for (const char* operation : {"matmul", "conv"}) visit(backend, operation, "none", "ieee");
  }
  return undo;
}

// What brings back each switch that allows less, which is raised where `raise` says so.
template <class Context>
Undo reduced(Context& context, bool raise) {
  if constexpr (requires { &Context::float32Precision; }) {
    return by_operation(context, &Context::float32Precision, raise);
  } else {
    Undo undo;
    if (context.allowTF32CuDNN()) {
      if (raise) context.setAllowTF32CuDNN(false);
      undo.push_back([&] { context.setAllowTF32CuDNN(true); });
    }
    using Found = at::Float32MatmulPrecision;
    if (const Found found = context.float32MatmulPrecision(); found != Found::HIGHEST) {
      if (raise) context.setFloat32MatmulPrecision("highest");
      undo.push_back(
          [&, found] { context.setFloat32MatmulPrecision(found == Found::MEDIUM ? "medium" : "high"); });
    }
    return undo;
  }
}

struct Switches {
  std::mutex mutex;
  int users = 0;
  Undo undo;
};

Switches& switches() {
  static Switches one;
  return one;
}

}  // namespace

FullPrecision::FullPrecision() {
  Switches& all = switches();
  const std::lock_guard lock(all.mutex);
  if (all.users == 0) all.undo = reduced(at::globalContext(), /*raise=*/true);
  ++all.users;
}

FullPrecision::~FullPrecision() {
  Switches& all = switches();
  const std::lock_guard lock(all.mutex);
  if (--all.users > 0) return;
  for (const auto& undo : all.undo) undo();
  all.undo.clear();
}

size_t internal::reduced_precisions() {
  return reduced(at::globalContext(), /*raise=*/false).size();
}

}  // namespace discreet
