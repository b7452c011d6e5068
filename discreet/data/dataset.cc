#include "discreet/data/dataset.h"

namespace discreet {

torch::Tensor Dataset::rows_with_target() const {
  const auto usable = targets_.is_floating_point() ? targets_.isfinite() : targets_ >= 0;
  return usable.nonzero().squeeze(1);
}

}  // namespace discreet
