// Fixed transforms: functions of one record alone, with no parameter and no constant taken from the data.
#include <algorithm>
#include <memory>

#include "discreet/model/layers/layer.h"
#include "discreet/model/scattering.h"

namespace discreet {

// Large images are brought down by averaging areas, so that the longer side is at most `longest` pixels; a
// side never falls below 8 pixels by it, and small images stay as they are.
FixedTransform read_shrink(Fields& fields, const Shape& in) {
  constexpr int64_t kShortest = 8;
  const int64_t longest = fields.integer("longest", kShortest, 4096);
  if (in.size() != 3) fields.fail("", "shrink needs [channels, height, width], has " + to_string(in));
  const int64_t side = std::max(in[1], in[2]);
  auto shrunk = [=](int64_t length) {
    return side <= longest
               ? length
               : std::max(std::min(length, kShortest), (2 * length * longest + side) / (2 * side));
  };
  const Shape out = {in[0], shrunk(in[1]), shrunk(in[2])};
  return {out, [=]() -> Transform {
            if (out == in) return [](const torch::Tensor& x) { return x; };
            return [=](const torch::Tensor& x) { return torch::adaptive_avg_pool2d(x, {out[1], out[2]}); };
          }};
}

FixedTransform read_scattering(Fields& fields, const Shape& in) {
  if (in.size() != 3) fields.fail("", "scattering needs [channels, height, width], has " + to_string(in));
  for (size_t i = 1; i <= 2; ++i) {
    if (in[i] < kScatteringSmallest || in[i] > kScatteringLargest) {
      fields.fail("", "scattering needs a height and a width from " + std::to_string(kScatteringSmallest) +
                          " to " + std::to_string(kScatteringLargest) + ", has " + to_string(in));
    }
  }
  return {{in[0] * kScatteringChannels, in[1] / 4, in[2] / 4}, [=]() -> Transform {
            auto scattering = std::make_shared<Scattering>(in[1], in[2]);
            return [scattering](const torch::Tensor& x) { return (*scattering)(x); };
          }};
}

// Each group of channels of each record gets mean 0 and variance 1. `epsilon` is added to the variance.
FixedTransform read_group_normalise(Fields& fields, const Shape& in) {
  const int64_t size = fields.integer("channels_per_group", 1, in[0]);
  const double epsilon = fields.number("epsilon", 1e-12, 1.0, 1e-5);
  if (in[0] % size != 0) {
    fields.fail("channels_per_group",
                "must divide the " + std::to_string(in[0]) + " channels, is " + std::to_string(size));
  }
  const int64_t groups = in[0] / size;
  if (elements(in) / groups < 2)
    fields.fail("channels_per_group", "a group of one value has no spread to normalise by");
  return {in, [=]() -> Transform {
            return [=](const torch::Tensor& x) { return torch::group_norm(x, groups, {}, {}, epsilon); };
          }};
}

// (x - mean) / stddev with constants from the document: one number, or one for each channel or feature.
FixedTransform read_standardise(Fields& fields, const Shape& in) {
  const auto mean = fields.numbers("mean", -1e6, 1e6, in[0]);
  const auto stddev = fields.numbers("stddev", 1e-6, 1e6, in[0]);
  return {in, [=]() -> Transform {
            auto constants = [&](const std::vector<double>& values) {
              Shape shape(in.size() + 1, 1);
              shape[1] = static_cast<int64_t>(values.size());
              return torch::tensor(values, torch::kFloat).view(shape);
            };
            const torch::Tensor offset = constants(mean), scale = constants(stddev).reciprocal();
            return [=](const torch::Tensor& x) { return (x - offset) * scale; };
          }};
}

FixedTransform read_fixed_flatten(Fields&, const Shape& in) {
  return {{elements(in)}, []() -> Transform { return [](const torch::Tensor& x) { return x.flatten(1); }; }};
}

}  // namespace discreet
