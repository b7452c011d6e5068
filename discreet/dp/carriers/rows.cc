// Operations that take, join and reorder rows: by numbers that are saved, or by saved indices.
#include <algorithm>

#include "discreet/dp/carriers/carriers.h"

namespace discreet::carriers {

using namespace libtorch;

Carried sliced(const Way& way, int64_t dimension, int64_t start, int64_t step) {
  dimension = positive(dimension, way.in.size());
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != dimension) return moved_to(way, *place, place->dimension);
  Layout::Owners owners(way.in[dimension], Layout::kNobody);
  for (int64_t j = 0; j < way.out[dimension]; ++j) owners.at(start + j * step) = owner_of(way, *place, j);
  return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
}

Carried slicing(const Way& way) {
  auto& slice = way.saved<saved::SliceBackward0>();
  const int64_t dimension = positive(slice.dim, way.in.size()), size = way.in[dimension];
  int64_t start = slice.start ? integer(*slice.start) : 0;
  if (start < 0) start += size;
  return sliced(way, dimension, std::clamp<int64_t>(start, 0, size), integer(slice.step));
}

namespace {

// One index of a dimension, which is gone in the output.
Carried selected(const Way& way, int64_t dimension, int64_t index) {
  dimension = positive(dimension, way.in.size());
  if (const auto owner = way.layout.sole_owner()) {
    Layout::Owners owners(way.in[dimension], Layout::kNobody);
    owners.at(positive(index, way.in[dimension])) = *owner;
    return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
  }
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return moved_to(way, *place, place->dimension < dimension ? place->dimension : place->dimension + 1);
}

}  // namespace

Carried selecting(const Way& way) {
  auto& select = way.saved<saved::SelectBackward0>();
  return selected(way, select.dim, integer(select.index));
}

Carried unbinding(const Way& way) {
  return selected(way, way.saved<saved::UnbindBackward0>().dim, way.output);
}

Carried stacking(const Way& way) {
  const int64_t dimension = positive(way.saved<saved::StackBackward0>().dim, way.out.size());
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != dimension)
    return moved_to(way, *place, place->dimension < dimension ? place->dimension : place->dimension - 1);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  return {way.layout.whole(way.in, way.layout.owner(way.input)), ""};
}

Carried concatenating(const Way& way) {
  auto& cat = way.saved<saved::CatBackward0>();
  const int64_t dimension = positive(cat.dim, way.out.size());
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != dimension) return moved_to(way, *place, place->dimension);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  const std::vector<Shape> sizes = input_sizes(cat);
  int64_t start = 0;
  for (uint32_t k = 0; k < way.input; ++k)
    if (sizes.at(k).size() == way.out.size()) start += sizes[k][dimension];
  Layout::Owners owners(way.in[dimension]);
  for (int64_t j = 0; j < way.in[dimension]; ++j) owners[j] = way.layout.owner(start + j);
  return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
}

Carried index_selecting(const Way& way) {
  auto& select = way.saved<saved::IndexSelectBackward0>();
  const int64_t dimension = positive(select.dim, way.in.size());
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != dimension) return moved_to(way, *place, place->dimension);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  const at::Tensor index = unpack(select.index_, way.node).to(at::kLong).cpu().contiguous();
  Layout::Owners owners(way.in[dimension], Layout::kNobody);
  for (int64_t j = 0; j < index.numel(); ++j) {
    const int64_t owner = way.layout.owner(j);
    int64_t& row = owners.at(index.data_ptr<int64_t>()[j]);
    if (owner == Layout::kNobody || owner == row) continue;
    if (row != Layout::kNobody) return refuse("gives one row to several samples");
    row = owner;
  }
  return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
}

Carried flipping(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (!contains(integers(way.saved<saved::FlipBackward0>().dims), place->dimension, way.in.size()))
    return moved_to(way, *place, place->dimension);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  Layout::Owners owners(way.layout.keys());
  for (size_t key = 0; key < owners.size(); ++key) owners[owners.size() - 1 - key] = way.layout.owner(key);
  return {way.layout.rows(way.in, place->dimension, std::move(owners)), ""};
}

// Output index j is input index j - shift, round the end.
Carried rolling(const Way& way) {
  auto& roll = way.saved<saved::RollBackward0>();
  const Shape dims = integers(roll.dims), shifts = integers(roll.shifts);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (dims.empty()) return refuse(kMixes);  // rolls all numbers as one row
  const int64_t size = way.in[place->dimension];
  int64_t shift = 0;
  for (size_t i = 0; i < dims.size(); ++i)
    if (positive(dims[i], way.in.size()) == place->dimension) shift += shifts.at(i) % size;
  if (shift % size == 0) return moved_to(way, *place, place->dimension);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  Layout::Owners owners(size);
  for (int64_t j = 0; j < size; ++j) owners[((j - shift) % size + size) % size] = way.layout.owner(j);
  return {way.layout.rows(way.in, place->dimension, std::move(owners)), ""};
}

// x.index({..., indices, ...}): where the indices are next to each other, their dimensions take the place of
// those that they index. Of these, one whose every index is read by one sample only holds the keys.
Carried indexing(const Way& way) {
  auto& index = way.saved<saved::IndexBackward0>();
  std::vector<at::Tensor> indices;
  int64_t first = -1;
  for (size_t d = 0; d < index.indices_.size(); ++d) {
    const at::Tensor one = unpack(index.indices_[d], way.node);
    if (!one.defined()) continue;
    if (first < 0) first = static_cast<int64_t>(d);
    if (one.scalar_type() != at::kLong ||
        static_cast<int64_t>(d) != first + static_cast<int64_t>(indices.size()))
      return refuse("chooses by a mask, or by indices of dimensions that are not next to each other");
    indices.push_back(one.cpu());
  }
  const auto place = way.layout.place(way.out);
  if (!place || indices.empty()) return refuse(kSpread);
  indices = at::broadcast_tensors(indices);
  const auto taken = static_cast<int64_t>(indices.size()), given = indices[0].dim();
  if (place->dimension < first) return moved_to(way, *place, place->dimension);
  if (place->dimension >= first + given) return moved_to(way, *place, place->dimension - given + taken);
  // The key of each element of the indices, in their order.
  int64_t inner = place->behind;
  for (int64_t d = place->dimension + 1; d < first + given; ++d) inner *= way.out[d];
  const auto key = [&](int64_t element) { return element / inner % way.layout.keys(); };
  const auto owner = [&](int64_t element) { return way.layout.owner(key(element)); };
  // First choice, whatever the other indices: a dimension of which each key reads its own row.
  for (int64_t d = first; d < first + taken; ++d) {
    const at::Tensor rows = indices[d - first].contiguous();
    bool own = way.in[d] == way.layout.keys();
    for (int64_t element = 0; own && element < rows.numel(); ++element)
      own = rows.data_ptr<int64_t>()[element] == key(element);
    if (own) return {way.layout.at(way.in, {d}), ""};
  }
  for (int64_t d = first; d < first + taken; ++d) {
    const at::Tensor rows = indices[d - first].contiguous();
    Layout::Owners owners(way.in[d], Layout::kNobody);
    bool apart = true;
    for (int64_t element = 0; element < rows.numel(); ++element) {
      const int64_t row = rows.data_ptr<int64_t>()[element];
      int64_t& known = owners.at(row < 0 ? row + way.in[d] : row);
      apart =
          apart && (known == Layout::kNobody || known == owner(element) || owner(element) == Layout::kNobody);
      if (owner(element) != Layout::kNobody) known = owner(element);
    }
    if (apart) return {way.layout.rows(way.in, d, std::move(owners)), ""};
  }
  return refuse("gives one row to several samples");
}

// Row r of the packed data is one step of one sequence; which follows from the sizes of the steps.
Carried packing(const Way& way) {
  auto& pack = way.saved<saved::PackPaddedSequenceBackward0>();
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (way.output != 0 || place->dimension != 0 || place->before != 1 || place->behind != 1)
    return refuse(kMixes);
  const at::Tensor sizes = unpack(pack.result1_, way.node).to(at::kLong).contiguous();
  const int64_t dimension = pack.batch_first ? 0 : 1;
  Layout::Owners owners(way.in[dimension], Layout::kNobody);
  int64_t key = 0;
  for (int64_t step = 0; step < sizes.numel(); ++step)
    for (int64_t sequence = 0; sequence < sizes.data_ptr<int64_t>()[step]; ++sequence, ++key) {
      const int64_t owner = way.layout.owner(key);
      int64_t& known = owners.at(sequence);
      if (owner == Layout::kNobody || owner == known) continue;
      if (known != Layout::kNobody) return refuse("gives one sequence to several samples");
      known = owner;
    }
  return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
}

}  // namespace discreet::carriers
