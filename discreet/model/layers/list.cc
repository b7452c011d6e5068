#include "discreet/model/layers/layer.h"

namespace discreet {

const std::vector<LayerKind>& layer_kinds() {
  static const std::vector<LayerKind> kinds = {
      {"linear", read_linear},
      {"conv2d", read_conv2d},
      {"group_norm", read_group_norm},
      {"layer_norm", read_layer_norm},
      {"tanh", read_tanh},
      {"relu", read_relu},
      {"max_pool2d", read_max_pool2d},
      {"avg_pool2d", read_avg_pool2d},
      {"flatten", read_flatten},
  };
  return kinds;
}

const std::vector<FixedKind>& fixed_kinds() {
  static const std::vector<FixedKind> kinds = {
      {"shrink", read_shrink},
      {"scattering", read_scattering},
      {"group_normalise", read_group_normalise},
      {"standardise", read_standardise},
      {"flatten", read_fixed_flatten},
  };
  return kinds;
}

}  // namespace discreet
