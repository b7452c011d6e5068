// Products of matrices, convolutions, normalisations, attention, recurrent layers.
#include "discreet/dp/carriers/carriers.h"

namespace discreet::carriers {

using namespace libtorch;

namespace {

// left [b, r, k] x right [b, k, c]
Carried batch_product(const Way& way, bool left) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension == 0 || place->dimension == (left ? 1 : 2))
    return moved_to(way, *place, place->dimension);
  return refuse(kMatrix);
}

// left [r, k] x right [k, c]
Carried matrix_product(const Way& way, bool left) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension == (left ? 0 : 1)) return moved_to(way, *place, place->dimension);
  return refuse(kMatrix);
}

// matrix [r, k] x vector [k]
Carried matrix_vector(const Way& way, bool matrix) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return matrix ? moved_to(way, *place, 0) : refuse(kMatrix);
}

}  // namespace

Carried matrices(const Way& way) {
  return batch_product(way, way.input == 0);
}

Carried added_matrices(const Way& way) {
  return way.input == 0 ? elementwise(way) : batch_product(way, way.input == 1);
}

Carried matrix(const Way& way) {
  return matrix_product(way, way.input == 0);
}

Carried added_matrix(const Way& way) {
  return way.input == 0 ? elementwise(way) : matrix_product(way, way.input == 1);
}

Carried added_up_matrices(const Way& way) {
  if (way.input == 0) return elementwise(way);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != (way.input == 1 ? 0 : 1)) return refuse(kMatrix);
  return moved_to(way, *place, place->dimension + 1);
}

Carried vector(const Way& way) {
  return matrix_vector(way, way.input == 0);
}

Carried added_vector(const Way& way) {
  return way.input == 0 ? elementwise(way) : matrix_vector(way, way.input == 1);
}

Carried convolving(const Way& way) {
  if (way.input != 0) return refuse("convolves with a kernel that depends on the batch");
  return within_first(way);
}

Carried bilinear(const Way& way) {
  if (!is_bilinear(way.saved<saved::TrilinearBackward0>())) return refuse(kMixes);
  if (way.input == 1) return refuse(kMatrix);
  return within_first(way);
}

Carried layer_normalising(const Way& way) {
  if (way.input != 0) return refuse("normalises with a gain that depends on the batch");
  const size_t last = integers(way.saved<saved::NativeLayerNormBackward0>().normalized_shape).size();
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension + last >= way.in.size()) return refuse(kMixes);
  return moved_to(way, *place, place->dimension);
}

Carried group_normalising(const Way& way) {
  if (way.input != 0) return refuse("normalises with a gain that depends on the batch");
  return within_first(way);
}

// With its own statistics only each channel for itself, so that an instance's channel may be a sample's own,
// and so are then its gain and shift.
Carried batch_normalising(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (way.input != 0)
    return place->dimension == 1 ? moved_to(way, *place, 0)
                                 : refuse("normalises with a gain that depends on the batch");
  if (way.saved<saved::NativeBatchNormBackward0>().training && place->dimension != 1)
    return refuse(
        "mixes the samples of the batch (batch normalisation in training mode: use group normalisation)");
  return moved_to(way, *place, place->dimension);
}

// [batch, heads, positions, width]. What is added to the scores, input 3 on a GPU, may be broadcast.
Carried attending(const Way& way) {
  if (way.input > 2) return refuse(kMixes);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return place->dimension < 2 ? moved_to(way, *place, place->dimension) : refuse(kMixes);
}

// [time, batch, width] and states [batch, width]: the batch is the last but one.
Carried recurring(const Way& way) {
  if (way.input >= LstmLayer::kInputWeight && way.input <= LstmLayer::kHiddenBias) return refuse(kMatrix);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (lstm_layer(way.node).packed || place->dimension != static_cast<int64_t>(way.out.size()) - 2)
    return refuse(kMixes);
  return moved_to(way, *place, static_cast<int64_t>(way.in.size()) - 2);
}

}  // namespace discreet::carriers
