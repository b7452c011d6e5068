#include "discreet/dp/layout.h"

#include <algorithm>

#include "discreet/dp/on_device.h"

namespace discreet {
namespace {

using Shape = libtorch::Shape;

int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t result = 1;
  for (size_t i = begin; i < end; ++i) result *= shape[i];
  return result;
}

int64_t numel_of(const Shape& shape) {
  return product(shape, 0, shape.size());
}

}  // namespace

Layout Layout::of_batch(const Shape& shape, int64_t dimension) {
  const auto d = static_cast<size_t>(dimension);
  return Layout(shape[d], product(shape, 0, d), product(shape, d + 1, shape.size()), nullptr);
}

Layout Layout::whole(const Shape& shape, int64_t owner) const {
  return Layout(samples_, 1, numel_of(shape), std::make_shared<Owners>(1, owner));
}

Layout Layout::rows(const Shape& shape, int64_t dimension, Owners owners) const {
  const auto d = static_cast<size_t>(dimension);
  return Layout(samples_, product(shape, 0, d), product(shape, d + 1, shape.size()),
                std::make_shared<Owners>(std::move(owners)));
}

Layout Layout::at(const Shape& shape, const Place& place) const {
  const auto d = static_cast<size_t>(place.dimension);
  return Layout(samples_, product(shape, 0, d) * place.before,
                place.behind * product(shape, d + 1, shape.size()), owners_);
}

std::optional<int64_t> Layout::sole_owner() const {
  for (int64_t key = 1; key < keys(); ++key)
    if (owner(key) != owner(0)) return {};
  return owner(0);
}

std::optional<Layout::Place> Layout::place(const Shape& shape) const {
  std::optional<Place> found;
  int64_t below = 1;  // elements behind one index of dimension d
  for (int64_t d = static_cast<int64_t>(shape.size()) - 1; d >= 0; below *= shape[d], --d) {
    if (behind_ % below != 0) continue;
    const int64_t behind = behind_ / below;
    if (shape[d] % (keys() * behind) != 0) continue;
    const Place place{d, shape[d] / (keys() * behind), behind};
    const bool exact = place.before == 1 && place.behind == 1;
    // With one key several dimensions may do: then the outermost whose size is 1, else the outermost.
    if (!found || exact || !(found->before == 1 && found->behind == 1)) found = place;
  }
  // All of one key may lie anywhere.
  if (!found && keys() == 1 && !shape.empty()) found = Place{0, 1, shape[0]};
  return found;
}

bool Layout::merge(const Layout& other) {
  if (samples_ == 1) return true;
  if (keys() == 1 && other.keys() == 1) return owner(0) == other.owner(0);
  if (keys() != other.keys() || behind_ != other.behind_ || before_ != other.before_) return false;
  if (owners_ == other.owners_) return true;
  Owners merged(keys());
  for (int64_t key = 0; key < keys(); ++key) {
    const int64_t mine = owner(key), theirs = other.owner(key);
    if (mine != theirs && mine != kNobody && theirs != kNobody) return false;
    merged[key] = mine == kNobody ? theirs : mine;
  }
  owners_ = std::make_shared<Owners>(std::move(merged));
  return true;
}

bool Layout::leads(const Shape& shape, int64_t trailing) const {
  return behind_ % product(shape, shape.size() - trailing, shape.size()) == 0;
}

at::Tensor Layout::samples_first(const at::Tensor& x, int64_t trailing, const Shape& own,
                                 int64_t own_trailing) const {
  const Shape shape = x.sizes().vec();
  const int64_t behind = behind_ / product(own, own.size() - own_trailing, own.size());
  const Shape last(shape.end() - trailing, shape.end());
  Shape apart{before_, keys(), behind};
  apart.insert(apart.end(), last.begin(), last.end());
  Shape result{samples_, -1};
  if (numel_of(last) == 0) result[1] = before_ * behind;
  result.insert(result.end(), last.begin(), last.end());
  at::Tensor keyed = x.reshape(apart).transpose(0, 1);  // [keys, before, behind, trailing...]
  if (owners_) keyed = by_owner(keyed);
  return keyed.reshape(result);
}

at::Tensor Layout::split_out(const at::Tensor& x) const {
  const Shape shape = x.sizes().vec();
  const Place where = *place(shape);
  Shape apart(shape.begin(), shape.begin() + where.dimension);
  apart.insert(apart.end(), {where.before, keys(), where.behind});
  apart.insert(apart.end(), shape.begin() + where.dimension + 1, shape.end());
  at::Tensor keyed = x.reshape(apart).movedim(where.dimension + 1, 0);
  if (owners_) {
    keyed = by_owner(keyed).movedim(1, where.dimension + 1);  // the keys of one sample are positions too
  } else {
    keyed = keyed.unsqueeze(where.dimension + 1);
  }
  return keyed.flatten(where.dimension + 1, where.dimension + 3);
}

at::Tensor Layout::by_owner(const at::Tensor& x) const {
  std::vector<Owners> keys_of(samples_);
  size_t most = 1;
  for (int64_t key = 0; key < keys(); ++key)
    if (owner(key) != kNobody) {
      keys_of[owner(key)].push_back(key);
      most = std::max(most, keys_of[owner(key)].size());
    }
  // Key number keys() is a row of zeros.
  at::Tensor index = at::full({samples_, static_cast<int64_t>(most)}, keys(), at::kLong);
  for (int64_t sample = 0; sample < samples_; ++sample)
    for (size_t i = 0; i < keys_of[sample].size(); ++i)
      index.data_ptr<int64_t>()[sample * most + i] = keys_of[sample][i];
  Shape zero = x.sizes().vec();
  zero[0] = 1;
  Shape result = x.sizes().vec();
  result[0] = static_cast<int64_t>(most);
  result.insert(result.begin(), samples_);
  return at::cat({x, at::zeros(zero, x.options())})
      .index_select(0, moved_to(index.flatten(), x))
      .view(result);
}

}  // namespace discreet
