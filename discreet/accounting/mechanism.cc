#include "discreet/accounting/mechanism.h"

#include <cassert>
#include <string>

#include "discreet/base/error.h"

namespace discreet {
namespace {

[[noreturn]] void refuse_inner(const Event& event, const char* allowed) {
  throw Error(ErrorKind::kUnsupported, std::string(to_string(event.kind())) + " is accounted for " + allowed +
                                           " only, not for a " +
                                           std::string(to_string(event.events()[0].kind())));
}

}  // namespace

double distance(Relation relation) {
  return relation == Relation::kReplaceOne ? 2 : 1;
}

BoundedLoss bounded_loss(const Event& event, Relation relation) {
  switch (event.kind()) {
    case Event::Kind::kLaplace: return BoundedLoss::laplace(distance(relation) / event.noise_multiplier());
    case Event::Kind::kDiscreteLaplace:
      return BoundedLoss::discrete_laplace(event.scale(),
                                           static_cast<int64_t>(distance(relation) * event.sensitivity()));
    case Event::Kind::kExponentialMechanism:
      return BoundedLoss::bounded_range(distance(relation) * event.epsilon());
    default: break;
  }
  assert(event.kind() == Event::Kind::kRandomizedResponse);
  if (relation != Relation::kReplaceOne) {
    throw Error(ErrorKind::kUnsupported,
                "randomized_response is accounted under replace-one only: a unit's own answer can be neither "
                "left out nor empty");
  }
  return BoundedLoss::randomized_response(event.epsilon(), event.categories());
}

void check_thresholded_selection(const Event& event) {
  const Event::Kind kind = event.events()[0].kind();
  if (kind != Event::Kind::kGaussian && kind != Event::Kind::kDiscreteGaussian &&
      kind != Event::Kind::kLaplace && kind != Event::Kind::kDiscreteLaplace) {
    refuse_inner(event, "a gaussian, discrete_gaussian, laplace or discrete_laplace");
  }
}

void check_sampled(const Event& event) {
  if (event.events()[0].kind() != Event::Kind::kGaussian) refuse_inner(event, "a gaussian");
}

}  // namespace discreet
