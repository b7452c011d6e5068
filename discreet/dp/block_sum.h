// The running sum of one parameter's clipped gradients.
//
// A sum over at most 256 samples is made in the model's precision, by one product; across such blocks it is
// in double. One or two blocks of floats are left as the products made them: what adds the noise reads them
// once (noise.h), so that a step writes no sum in doubles.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

namespace discreet {

// Memory of gradients, used again once nobody else holds it.
class GradientBuffers {
 public:
  // A tensor in the shape and type of the parameter, with any content.
  at::Tensor take(const at::Tensor& parameter);

 private:
  std::vector<at::Tensor> kept_;
};

class BlockSum {
 public:
  static constexpr size_t kMostBlocks = 2;

  BlockSum(at::Tensor parameter, std::shared_ptr<GradientBuffers> buffers)
      : parameter_(std::move(parameter)), buffers_(std::move(buffers)) {}

  // What the sum of one more block may be written to, in the parameter's shape and type; undefined where it
  // has to be added to doubles(). Counts from add_block() on.
  at::Tensor new_block();
  void add_block(at::Tensor block) { blocks_.push_back(std::move(block)); }

  // Everything so far, in double; the same tensor until the next block: what is added to it counts.
  at::Tensor& doubles();
  // Everything so far, in double: to be read, since where the sum is doubles these are they.
  at::Tensor total() const;

  // values, a tensor in the parameter's shape and in double, = everything so far.
  void write(at::Tensor values) const;

  // The blocks of floats, where the sum is them and nothing else: none of them where it is zero.
  const std::vector<at::Tensor>* blocks() const { return doubles_.defined() ? nullptr : &blocks_; }
  const at::Tensor& parameter() const { return parameter_; }
  // For the released gradient: a block whose content is no longer needed, or other memory.
  at::Tensor released() const;

 private:
  at::Tensor parameter_;
  std::shared_ptr<GradientBuffers> buffers_;
  std::vector<at::Tensor> blocks_;
  at::Tensor doubles_;  // undefined: zero
};

}  // namespace discreet
