#include "discreet/train/feature_cache.h"

#include <algorithm>

#include "discreet/base/error.h"
#include "discreet/base/interrupt.h"
#include "discreet/base/progress.h"

namespace discreet {

FeatureCache::FeatureCache(const Dataset& records, Network& network, const std::string& title,
                           const std::string& advice) {
  constexpr int64_t kBlockRows = 64;  // so few that Ctrl-C is heard soon, enough for fast products
  constexpr double kLargestHalf = 65504;
  torch::NoGradGuard no_grad;
  const torch::Tensor rows = records.rows_with_target();
  const int64_t count = rows.size(0);
  Progress progress(title, count);
  for (int64_t start = 0; start < count; start += kBlockRows) {
    if (interrupted()) {
      throw Error(ErrorKind::kInterrupted,
                  "stopped while features were computed; nothing is lost: " + advice);
    }
    const int64_t end = std::min(count, start + kBlockRows);
    const torch::Tensor block = network.fixed_features(records.features(rows.slice(0, start, end)));
    if (!features_.defined()) {
      std::vector<int64_t> shape = block.sizes().vec();
      shape[0] = count;
      features_ = torch::empty(shape, torch::kFloat16);
    }
    features_.slice(0, start, end).copy_(block.clamp(-kLargestHalf, kLargestHalf));
    progress.update(end);
  }
  progress.finish();
  if (!features_.defined()) features_ = torch::empty({0, 1}, torch::kFloat16);
  targets_ = records.targets().index_select(0, rows);
  const auto* index = rows.data_ptr<int64_t>();
  if (!records.units().empty()) {
    // Units are numbered anew, without the gaps of units none of whose rows has a target.
    std::vector<int64_t> renumbered(records.units().size(), -1);
    int64_t next = 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t& unit = renumbered[records.units()[index[i]]];
      if (unit < 0) unit = next++;
      units_.push_back(unit);
    }
  }
}

torch::Tensor FeatureCache::features(torch::Tensor rows) const {
  return features_.index_select(0, rows).to(torch::kFloat32);
}

}  // namespace discreet
