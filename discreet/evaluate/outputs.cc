#include "discreet/evaluate/outputs.h"

#include <algorithm>
#include <vector>

#include "discreet/base/error.h"

namespace discreet {

torch::Tensor outputs(const Dataset& dataset, const torch::Tensor& rows, const Forward& forward,
                      int64_t block) {
  if (block < 1) throw Error(ErrorKind::kInvalidArgument, "block must be at least 1");
  const torch::NoGradGuard no_gradients;
  std::vector<torch::Tensor> pieces;
  for (int64_t start = 0; start < rows.size(0); start += block) {
    const torch::Tensor some = rows.narrow(0, start, std::min(block, rows.size(0) - start));
    const torch::Tensor out = forward(dataset.features(some)).to(torch::kFloat32);
    if (out.dim() != 2 || out.size(0) != some.size(0)) {
      throw Error(ErrorKind::kInvalidArgument, "a model must give outputs of shape [records, outputs]");
    }
    pieces.push_back(out);
  }
  if (pieces.empty()) throw Error(ErrorKind::kInvalidArgument, "there are no records to evaluate on");
  return torch::cat(pieces);
}

}  // namespace discreet
