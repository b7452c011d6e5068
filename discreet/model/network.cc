#include "discreet/model/network.h"

#include "discreet/base/error.h"

namespace discreet {
namespace {

void check_shape(const torch::Tensor& x, const Shape& record, const char* what) {
  if (x.dim() < 1 || x.sizes().slice(1) != torch::IntArrayRef(record)) {
    throw Error(ErrorKind::kInvalidArgument, std::string(what) + " of shape " + to_string(x.sizes().vec()) +
                                                 "; the architecture wants [records] followed by " +
                                                 to_string(record));
  }
}

}  // namespace

Network::Network(const Json& architecture) : architecture_(Architecture::parse(architecture)) {
  for (const FixedTransform& transform : architecture_.fixed) fixed_.push_back(transform.build());
  for (const Layer& layer : architecture_.layers) layers_->push_back(layer.build());
  register_module("layers", layers_);
}

torch::Tensor Network::fixed_features(const torch::Tensor& x) const {
  check_shape(x, architecture_.input, "input");
  torch::NoGradGuard no_grad;
  torch::Tensor features = x.to(torch::kFloat);
  for (const Transform& transform : fixed_) features = transform(features);
  return features;
}

torch::Tensor Network::forward(const torch::Tensor& features) {
  check_shape(features, architecture_.features, "features");
  return layers_->forward(features.to(torch::kFloat));
}

}  // namespace discreet
