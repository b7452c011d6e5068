// Fixed features computed once: each record through the network's parameterless prefix (scattering,
// normalisation), kept as half-precision floats. A function of one record alone, so it costs no privacy.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "discreet/data/dataset.h"
#include "discreet/model/network.h"

namespace discreet {

// The rows of `records` that have a target, as features ready for Network::forward. Whether a row has a
// target depends on that row and on declared or released facts alone, so neighbouring data sets stay
// neighbours. Memory: 2 bytes a feature and row; block by block, progress shown under `title`. `network` must
// outlive nothing: it is used during construction only. kInterrupted between two blocks; the message ends
// with `advice`.
class FeatureCache : public Dataset {
 public:
  FeatureCache(const Dataset& records, Network& network, const std::string& title, const std::string& advice);

  int64_t size() const override { return features_.size(0); }
  torch::Tensor features(torch::Tensor rows) const override;  // float32 [B, ...]

 private:
  torch::Tensor features_;  // float16 [N, ...]
};

}  // namespace discreet
