// A network built from an architecture: a fixed part, which costs no privacy and can be computed once a
// record, and the trained part.
#pragma once

#include <torch/torch.h>

#include "discreet/base/json.h"
#include "discreet/model/architecture.h"

namespace discreet {

class Network : public torch::nn::Module {
 public:
  // Parameters are named "layers.<place in the document>.weight" and ".bias". Their first values come from
  // libtorch's generator and the architecture alone. Throws as Architecture::parse does.
  explicit Network(const Json& architecture);

  // float [B, input...] -> float [B, features...], each record for itself and without gradients. Images are
  // in [0, 1]. May be stored in half precision.
  torch::Tensor fixed_features(const torch::Tensor& x) const;

  // [B, features...] in float or half -> float [B, outputs]
  torch::Tensor forward(const torch::Tensor& features);

  const Architecture& architecture() const { return architecture_; }

 private:
  Architecture architecture_;
  std::vector<Transform> fixed_;
  torch::nn::Sequential layers_;
};

}  // namespace discreet
