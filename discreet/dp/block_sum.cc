#include "discreet/dp/block_sum.h"

namespace discreet {

at::Tensor GradientBuffers::take(const at::Tensor& parameter) {
  // Another tensor with the memory: one that Python has seen is held by its own object for as long as it
  // lives.
  for (const at::Tensor& kept : kept_)
    if (kept.storage().use_count() == 1) return kept.variable_data();
  if (kept_.size() > BlockSum::kMostBlocks) kept_.clear();  // held by others, and theirs from now on
  kept_.push_back(at::empty(parameter.sizes(), parameter.options().requires_grad(false)));
  return kept_.back().variable_data();
}

at::Tensor BlockSum::new_block() {
  return doubles_.defined() || blocks_.size() == kMostBlocks ? at::Tensor() : buffers_->take(parameter_);
}

at::Tensor& BlockSum::doubles() {
  if (!doubles_.defined()) {
    doubles_ = total();
    blocks_.clear();
  }
  return doubles_;
}

at::Tensor BlockSum::total() const {
  if (doubles_.defined()) return doubles_;
  const at::Tensor sum =
      at::empty(parameter_.sizes(), parameter_.options().dtype(at::kDouble).requires_grad(false));
  write(sum);
  return sum;
}

void BlockSum::write(at::Tensor values) const {
  if (doubles_.defined()) {
    values.copy_(doubles_);
  } else if (blocks_.empty()) {
    values.zero_();
  } else {
    values.copy_(blocks_[0]);
    for (size_t i = 1; i < blocks_.size(); ++i) values.add_(blocks_[i]);
  }
}

at::Tensor BlockSum::released() const {
  return blocks_.empty() ? buffers_->take(parameter_) : blocks_[0];
}

}  // namespace discreet
