// Operations that keep every number in its place, or move, join and reduce whole dimensions.
#include <algorithm>

#include "discreet/dp/carriers/carriers.h"

namespace discreet::carriers {

using namespace libtorch;

bool contains(const Shape& dimensions, int64_t dimension, size_t of) {
  return std::any_of(dimensions.begin(), dimensions.end(),
                     [&](int64_t d) { return positive(d, of) == dimension; });
}

Carried moved_to(const Way& way, Place place, int64_t dimension) {
  if (dimension < 0 || dimension >= static_cast<int64_t>(way.in.size()) ||
      way.in[dimension] != way.out[place.dimension])
    return refuse(kMixes);
  place.dimension = dimension;
  return {way.layout.at(way.in, place), ""};
}

Carried elementwise(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  const int64_t missing = static_cast<int64_t>(way.out.size()) - static_cast<int64_t>(way.in.size());
  const Carried result = moved_to(way, *place, place->dimension - missing);
  return result.layout ? result : refuse("broadcasts one tensor over the batch");
}

Carried reshaping(const Way& way) {
  return {way.layout, ""};
}

Carried along(const Way& way, const Shape& dimensions) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (dimensions.empty()) return refuse(kMixes);
  if (way.in.size() == way.out.size())
    return contains(dimensions, place->dimension, way.in.size()) ? refuse(kMixes)
                                                                 : moved_to(way, *place, place->dimension);
  int64_t left = place->dimension;
  for (int64_t d = 0; d < static_cast<int64_t>(way.in.size()); ++d)
    if (!contains(dimensions, d, way.in.size()) && left-- == 0) return moved_to(way, *place, d);
  return refuse(kMixes);
}

Carried within_first(const Way& way) {
  const auto place = way.layout.place(way.out);
  return place && place->dimension == 0 ? moved_to(way, *place, 0) : refuse(kMixes);
}

Carried repeating(const Way& way) {
  const Shape repeats = integers(way.saved<saved::RepeatBackward0>().repeats);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (repeats[place->dimension] != 1) return refuse(kMixes);
  return moved_to(
      way, *place,
      place->dimension - static_cast<int64_t>(way.out.size()) + static_cast<int64_t>(way.in.size()));
}

Carried unfolding(const Way& way) {
  auto& unfold = way.saved<saved::UnfoldBackward0>();
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension == positive(unfold.dimension, way.in.size())) return refuse(kMixes);
  return moved_to(way, *place, place->dimension);
}

Carried transposed(const Way& way, int64_t a, int64_t b) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  a = positive(a, way.in.size());
  b = positive(b, way.in.size());
  const int64_t d = place->dimension;
  return moved_to(way, *place, d == a ? b : d == b ? a : d);
}

Carried transposing_matrix(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return moved_to(way, *place, way.in.size() == 2 ? 1 - place->dimension : place->dimension);
}

Carried permuting(const Way& way) {
  const Shape dims = integers(way.saved<saved::PermuteBackward0>().dims);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return moved_to(way, *place, positive(dims.at(place->dimension), dims.size()));
}

Carried padding(const Way& way) {
  const Shape pad = integers(way.saved<saved::ConstantPadNdBackward0>().pad);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  // Given from the last dimension on. Padding by 1 and -1 keeps a size and yet moves its rows.
  for (size_t side = 0; side < pad.size(); ++side)
    if (place->dimension == static_cast<int64_t>(way.out.size() - 1 - side / 2) && pad[side] != 0)
      return refuse(kMixes);
  return moved_to(way, *place, place->dimension);
}

}  // namespace discreet::carriers
