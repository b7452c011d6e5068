// group_norm and layer_norm: normalisation within one record, never across records.
#include "discreet/model/layers/layer.h"

namespace discreet {

Layer read_group_norm(Fields& fields, const Shape& in) {
  const int64_t channels = in[0];
  const int64_t groups = fields.integer("groups", 1, channels);
  const bool affine = fields.boolean("affine", true);
  if (channels % groups != 0) {
    fields.fail("groups",
                "must divide the " + std::to_string(channels) + " channels, is " + std::to_string(groups));
  }
  if (elements(in) / groups < 2) fields.fail("groups", "a group of one value has no spread to normalise by");
  return {in, affine ? 2 * channels : 0, [=] {
            return torch::nn::AnyModule(
                torch::nn::GroupNorm(torch::nn::GroupNormOptions(groups, channels).affine(affine)));
          }};
}

Layer read_layer_norm(Fields& fields, const Shape& in) {
  const bool affine = fields.boolean("affine", true);
  if (elements(in) < 2) fields.fail("", "layer_norm needs at least two values, has " + to_string(in));
  return {in, affine ? 2 * elements(in) : 0, [=] {
            return torch::nn::AnyModule(
                torch::nn::LayerNorm(torch::nn::LayerNormOptions(in).elementwise_affine(affine)));
          }};
}

}  // namespace discreet
