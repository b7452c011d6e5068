// Which sample every part of a tensor of the batch belongs to.
//
// Read in row-major order a tensor of the batch is [before, keys, behind], and all its elements of one key
// belong to one sample, the key's owner. Batch first, [samples, ...]: before is 1 and key i is sample i; time
// first, [time, samples, width]: before is time. Reshaping changes nothing of this; an operation that keeps
// samples apart carries it from its output to its inputs (operations.h). Where rows are chosen by values
// (index_select, packed sequences), the owners are read from what the operation saved. A key without an owner
// has no gradient.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "discreet/dp/libtorch.h"

namespace discreet {

class Layout {
 public:
  using Shape = libtorch::Shape;
  using Owners = std::vector<int64_t>;
  static constexpr int64_t kNobody = -1;

  // A dimension that holds the keys: its size is before * keys * behind.
  struct Place {
    int64_t dimension, before = 1, behind = 1;
  };

  // A tensor with the samples in one dimension, in order. 0 <= dimension < shape.size(), no size is 0.
  static Layout of_batch(const Shape& shape, int64_t dimension);

  // As large a batch, in a tensor of `shape`, all of one sample.
  Layout whole(const Shape& shape, int64_t owner) const;
  // As large a batch, in a tensor of `shape` whose dimension `dimension` has these owners.
  Layout rows(const Shape& shape, int64_t dimension, Owners owners) const;
  // The same keys at a place of a tensor of `shape`.
  Layout at(const Shape& shape, const Place& place) const;

  int64_t samples() const { return samples_; }
  int64_t keys() const { return owners_ ? static_cast<int64_t>(owners_->size()) : samples_; }
  int64_t owner(int64_t key) const { return owners_ ? (*owners_)[key] : key; }
  int64_t numel() const { return before_ * keys() * behind_; }
  // The one sample to which all belongs, where there is only one.
  std::optional<int64_t> sole_owner() const;

  // Where the keys lie in a tensor of `shape`; nothing where no single dimension holds them.
  std::optional<Place> place(const Shape& shape) const;

  // What is known of one tensor from two of its uses. False where they disagree.
  bool merge(const Layout& other);

  // Whether the last `trailing` dimensions of a tensor of `shape` are the samples' own: its other ones hold
  // the keys.
  bool leads(const Shape& shape, int64_t trailing) const;
  // For a tensor x whose dimensions before the last `trailing` are those of the tensor that this is the
  // layout of (that has `own_trailing` more): [samples, positions, trailing...], the positions of each sample
  // in their order; where samples have different numbers of positions, zeros behind. leads() is required.
  at::Tensor samples_first(const at::Tensor& x, int64_t trailing, const Shape& own,
                           int64_t own_trailing) const;
  // x of shape `own`, with place(own): [samples, own sizes with before * behind (or more, zeros) for the
  // place's dimension].
  at::Tensor split_out(const at::Tensor& x) const;

 private:
  Layout(int64_t samples, int64_t before, int64_t behind, std::shared_ptr<const Owners> owners)
      : samples_(samples), before_(before), behind_(behind), owners_(std::move(owners)) {}
  // x [keys, ...] -> [samples, most keys of one sample, ...]
  at::Tensor by_owner(const at::Tensor& x) const;

  int64_t samples_, before_, behind_;
  std::shared_ptr<const Owners> owners_;  // of each key; null: key i is sample i
};

}  // namespace discreet
