// Carriers: each takes a layout through one kind of operation, from an output to an input, or says why not.
// operations.cc lists which operation has which.
#pragma once

#include <type_traits>

#include "discreet/dp/carriers/way.h"

namespace discreet::carriers {

// Every number in its place, or whole dimensions moved, joined and reduced (dimensions.cc).

// Same position in, same position out; smaller tensors are broadcast along their missing first dimensions.
Carried elementwise(const Way& way);
// The same numbers in the same order.
Carried reshaping(const Way& way);
// Works along `dimensions` of the input, which are kept, shorter or gone in the output.
Carried along(const Way& way, const Shape& dimensions);
// Separately for each index of the first dimension.
Carried within_first(const Way& way);
Carried repeating(const Way& way);
Carried unfolding(const Way& way);
// Dimensions a and b change places.
Carried transposed(const Way& way, int64_t a, int64_t b);
Carried transposing_matrix(const Way& way);
Carried permuting(const Way& way);
Carried padding(const Way& way);

// Rows taken, joined and put in another order (rows.cc).

// Output index j of dimension `dimension` is input index start + j * step of it; the others stay.
Carried sliced(const Way& way, int64_t dimension, int64_t start, int64_t step);
Carried slicing(const Way& way);
Carried selecting(const Way& way);
Carried unbinding(const Way& way);
Carried stacking(const Way& way);
Carried concatenating(const Way& way);
Carried index_selecting(const Way& way);
Carried flipping(const Way& way);
Carried rolling(const Way& way);
Carried indexing(const Way& way);
Carried packing(const Way& way);

// A part of a tensor written over in place (writing.cc).
Carried writing_part(const Way& way);

// Layers (layers.cc).

Carried matrices(const Way& way);           // left [b, r, k] x right [b, k, c]
Carried added_matrices(const Way& way);     // the same, added to the first input
Carried added_up_matrices(const Way& way);  // their sum over b, added to the first input
Carried matrix(const Way& way);             // left [r, k] x right [k, c]
Carried added_matrix(const Way& way);       // the same, added to the first input
Carried vector(const Way& way);             // matrix [r, k] x vector [k]
Carried added_vector(const Way& way);       // the same, added to the first input
Carried convolving(const Way& way);
Carried bilinear(const Way& way);
Carried layer_normalising(const Way& way);
Carried group_normalising(const Way& way);
Carried batch_normalising(const Way& way);
Carried attending(const Way& way);
Carried recurring(const Way& way);

// Those that differ by what the operation saved.

template <typename Saved>
Carried along_dim(const Way& way) {
  auto& node = way.saved<Saved>();
  if constexpr (std::is_convertible_v<decltype(node.dim), int64_t>) {
    return along(way, {node.dim});
  } else {
    return along(way, libtorch::integers(node.dim));
  }
}

// Within the last `Last` dimensions, separately for each index of the others: pooling, resizing.
template <int Last>
Carried within_last(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension + Last >= static_cast<int64_t>(way.in.size())) return refuse(kMixes);
  return moved_to(way, *place, place->dimension);
}

template <typename Saved>
Carried transposing(const Way& way) {
  auto& transpose = way.saved<Saved>();
  return transposed(way, transpose.dim0, transpose.dim1);
}

template <typename Saved>
Carried splitting(const Way& way) {
  auto& split = way.saved<Saved>();
  return sliced(way, split.dim, libtorch::integer(split.split_size) * way.output, 1);
}

template <typename Saved>
Carried splitting_with_sizes(const Way& way) {
  auto& split = way.saved<Saved>();
  const Shape sizes = libtorch::integers(split.split_sizes);
  int64_t start = 0;
  for (uint32_t k = 0; k < way.output; ++k) start += sizes.at(k);
  return sliced(way, split.dim, start, 1);
}

}  // namespace discreet::carriers
