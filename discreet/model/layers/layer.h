// The two kinds of steps of a network: layers, which may hold parameters, and fixed transforms, which are the
// same function of each record for everyone and so cost no privacy.
//
// A step is read and its shapes are checked first; it is built only when the whole document has been
// accepted.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

#include "discreet/model/fields.h"
#include "discreet/model/shape.h"

namespace discreet {

struct Layer {
  Shape out;
  int64_t parameters = 0;
  std::function<torch::nn::AnyModule()> build;
};

struct LayerKind {
  std::string name;
  Layer (*read)(Fields& fields, const Shape& in);
};

using Transform =
    std::function<torch::Tensor(const torch::Tensor&)>;  // float [B, in...] -> float [B, out...]

struct FixedTransform {
  Shape out;
  std::function<Transform()> build;
};

struct FixedKind {
  std::string name;
  FixedTransform (*read)(Fields& fields, const Shape& in);
};

// layers/list.cc: every kind there is.
const std::vector<LayerKind>& layer_kinds();
const std::vector<FixedKind>& fixed_kinds();

// Readers, one file a family. Each throws kInvalidArgument through Fields.
Layer read_linear(Fields& fields, const Shape& in);
Layer read_conv2d(Fields& fields, const Shape& in);
Layer read_group_norm(Fields& fields, const Shape& in);
Layer read_layer_norm(Fields& fields, const Shape& in);
Layer read_tanh(Fields& fields, const Shape& in);
Layer read_relu(Fields& fields, const Shape& in);
Layer read_max_pool2d(Fields& fields, const Shape& in);
Layer read_avg_pool2d(Fields& fields, const Shape& in);
Layer read_flatten(Fields& fields, const Shape& in);
FixedTransform read_shrink(Fields& fields, const Shape& in);
FixedTransform read_scattering(Fields& fields, const Shape& in);
FixedTransform read_group_normalise(Fields& fields, const Shape& in);
FixedTransform read_standardise(Fields& fields, const Shape& in);
FixedTransform read_fixed_flatten(Fields& fields, const Shape& in);

}  // namespace discreet
