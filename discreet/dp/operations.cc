#include "discreet/dp/operations.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace discreet {
namespace {

using namespace libtorch;

constexpr const char* kMixes = "mixes the samples of the batch";
constexpr const char* kSpread = "takes a tensor of which no single dimension is the batch";
constexpr const char* kMatrix = "multiplies by a matrix that depends on the batch";

// One way through an operation.
struct Way {
  Node& node;
  uint32_t input, output;
  const Layout& layout;  // of the output
  Shape in, out;

  template <typename Saved>
  Saved& saved() const {
    return dynamic_cast<Saved&>(node);
  }
};

using Place = Layout::Place;

Carried refuse(const char* reason) {
  return {{}, reason};
}

int64_t positive(int64_t dimension, size_t dimensions) {
  return dimension < 0 ? dimension + static_cast<int64_t>(dimensions) : dimension;
}

bool contains(const Shape& dimensions, int64_t dimension, size_t of) {
  return std::any_of(dimensions.begin(), dimensions.end(),
                     [&](int64_t d) { return positive(d, of) == dimension; });
}

// The same place, in dimension `dimension` of the input.
Carried moved_to(const Way& way, Place place, int64_t dimension) {
  if (dimension < 0 || dimension >= static_cast<int64_t>(way.in.size()) ||
      way.in[dimension] != way.out[place.dimension])
    return refuse(kMixes);
  place.dimension = dimension;
  return {way.layout.at(way.in, place), ""};
}

// Same position in, same position out; smaller tensors are broadcast along their missing first dimensions.
Carried elementwise(const Way& way) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  const int64_t missing = static_cast<int64_t>(way.out.size()) - static_cast<int64_t>(way.in.size());
  const Carried result = moved_to(way, *place, place->dimension - missing);
  return result.layout ? result : refuse("broadcasts one tensor over the batch");
}

// The same numbers in the same order.
Carried reshaping(const Way& way) {
  return {way.layout, ""};
}

// Works along `dimensions` of the input, which are kept, shorter or gone in the output.
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

template <typename Saved>
Carried along_dim(const Way& way) {
  auto& node = way.saved<Saved>();
  if constexpr (std::is_convertible_v<decltype(node.dim), int64_t>) {
    return along(way, {node.dim});
  } else {
    return along(way, integers(node.dim));
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

Carried within_first(const Way& way) {
  const auto place = way.layout.place(way.out);
  return place && place->dimension == 0 ? moved_to(way, *place, 0) : refuse(kMixes);
}

// Output index j of dimension `dimension` is input index start + j * step of it; the others stay.
Carried sliced(const Way& way, int64_t dimension, int64_t start, int64_t step) {
  dimension = positive(dimension, way.in.size());
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != dimension) return moved_to(way, *place, place->dimension);
  if (place->before != 1 || place->behind != 1) return refuse(kMixes);
  Layout::Owners owners(way.in[dimension], Layout::kNobody);
  for (int64_t j = 0; j < way.out[dimension]; ++j) owners.at(start + j * step) = way.layout.owner(j);
  return {way.layout.rows(way.in, dimension, std::move(owners)), ""};
}

Carried slicing(const Way& way) {
  auto& slice = way.saved<saved::SliceBackward0>();
  const int64_t dimension = positive(slice.dim, way.in.size()), size = way.in[dimension];
  int64_t start = slice.start ? integer(*slice.start) : 0;
  if (start < 0) start += size;
  return sliced(way, dimension, std::clamp<int64_t>(start, 0, size), integer(slice.step));
}

template <typename Saved>
Carried splitting(const Way& way) {
  auto& split = way.saved<Saved>();
  return sliced(way, split.dim, integer(split.split_size) * way.output, 1);
}

template <typename Saved>
Carried splitting_with_sizes(const Way& way) {
  auto& split = way.saved<Saved>();
  const Shape sizes = integers(split.split_sizes);
  int64_t start = 0;
  for (uint32_t k = 0; k < way.output; ++k) start += sizes.at(k);
  return sliced(way, split.dim, start, 1);
}

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

template <typename Saved>
Carried transposing(const Way& way) {
  auto& transpose = way.saved<Saved>();
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  const int64_t a = positive(transpose.dim0, way.in.size()), b = positive(transpose.dim1, way.in.size());
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

// left [b, r, k] x right [b, k, c]
Carried batch_product(const Way& way, bool left) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension == 0 || place->dimension == (left ? 1 : 2))
    return moved_to(way, *place, place->dimension);
  return refuse(kMatrix);
}

Carried matrices(const Way& way) {
  return batch_product(way, way.input == 0);
}

Carried added_matrices(const Way& way) {
  return way.input == 0 ? elementwise(way) : batch_product(way, way.input == 1);
}

// left [r, k] x right [k, c]
Carried matrix_product(const Way& way, bool left) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension == (left ? 0 : 1)) return moved_to(way, *place, place->dimension);
  return refuse(kMatrix);
}

Carried matrix(const Way& way) {
  return matrix_product(way, way.input == 0);
}

Carried added_matrix(const Way& way) {
  return way.input == 0 ? elementwise(way) : matrix_product(way, way.input == 1);
}

// The sum of all left [b, r, k] x right [b, k, c], added to the first input.
Carried added_up_matrices(const Way& way) {
  if (way.input == 0) return elementwise(way);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (place->dimension != (way.input == 1 ? 0 : 1)) return refuse(kMatrix);
  return moved_to(way, *place, place->dimension + 1);
}

// matrix [r, k] x vector [k]
Carried matrix_vector(const Way& way, bool matrix) {
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  return matrix ? moved_to(way, *place, 0) : refuse(kMatrix);
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

// [batch, heads, positions, width]
Carried attending(const Way& way) {
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

using Carry = Carried (*)(const Way&);

const std::unordered_map<std::string, Carry>& operations() {
  static const std::unordered_map<std::string, Carry> list = {
      // activations and arithmetic
      {"AbsBackward0", elementwise},
      {"AcosBackward0", elementwise},
      {"AcoshBackward0", elementwise},
      {"AddBackward0", elementwise},
      {"AddBackward1", elementwise},
      {"AddcdivBackward0", elementwise},
      {"AddcmulBackward0", elementwise},
      {"AsinBackward0", elementwise},
      {"AsinhBackward0", elementwise},
      {"Atan2Backward0", elementwise},
      {"AtanBackward0", elementwise},
      {"AtanhBackward0", elementwise},
      {"CeluBackward0", elementwise},
      {"ClampBackward0", elementwise},
      {"ClampBackward1", elementwise},
      {"ClampMaxBackward0", elementwise},
      {"ClampMinBackward0", elementwise},
      {"CloneBackward0", elementwise},
      {"CosBackward0", elementwise},
      {"CoshBackward0", elementwise},
      {"DivBackward0", elementwise},
      {"DivBackward1", elementwise},
      {"EluBackward0", elementwise},
      {"ErfBackward0", elementwise},
      {"ErfcBackward0", elementwise},
      {"Exp2Backward0", elementwise},
      {"ExpBackward0", elementwise},
      {"Expm1Backward0", elementwise},
      {"GeluBackward0", elementwise},
      {"HardshrinkBackward0", elementwise},
      {"HardsigmoidBackward0", elementwise},
      {"HardswishBackward0", elementwise},
      {"HardtanhBackward0", elementwise},
      {"LeakyReluBackward0", elementwise},
      {"LerpBackward0", elementwise},
      {"LerpBackward1", elementwise},
      {"Log10Backward0", elementwise},
      {"Log2Backward0", elementwise},
      {"LogBackward0", elementwise},
      {"Log1PBackward0", elementwise},
      {"LogSigmoidBackward0", elementwise},
      {"LogaddexpBackward0", elementwise},
      {"LogitBackward0", elementwise},
      {"MaskedFillBackward0", elementwise},
      {"MaximumBackward0", elementwise},
      {"MinimumBackward0", elementwise},
      {"MishBackward0", elementwise},
      {"MulBackward0", elementwise},
      {"MulBackward1", elementwise},
      {"NativeDropoutBackward0", elementwise},
      {"NegBackward0", elementwise},
      {"PowBackward0", elementwise},
      {"PowBackward1", elementwise},
      {"ReciprocalBackward0", elementwise},
      {"ReluBackward0", elementwise},
      {"RreluWithNoiseBackward0", elementwise},
      {"RsqrtBackward0", elementwise},
      {"RsubBackward0", elementwise},
      {"RsubBackward1", elementwise},
      {"SigmoidBackward0", elementwise},
      {"SiluBackward0", elementwise},
      {"SinBackward0", elementwise},
      {"SinhBackward0", elementwise},
      {"SoftplusBackward0", elementwise},
      {"SoftshrinkBackward0", elementwise},
      {"SqrtBackward0", elementwise},
      {"SubBackward0", elementwise},
      {"SubBackward1", elementwise},
      {"TanBackward0", elementwise},
      {"TanhBackward0", elementwise},
      {"ThresholdBackward0", elementwise},
      {"ToCopyBackward0", elementwise},
      {"TrilBackward0", elementwise},
      {"TriuBackward0", elementwise},
      {"WhereBackward0", elementwise},
      // the same numbers in the same order
      {"AliasBackward0", reshaping},
      {"ReshapeAliasBackward0", reshaping},
      {"SqueezeBackward0", reshaping},
      {"SqueezeBackward1", reshaping},
      {"SqueezeBackward2", reshaping},
      {"SqueezeBackward3", reshaping},
      {"UnsafeViewBackward0", reshaping},
      {"UnsqueezeBackward0", reshaping},
      {"ViewBackward0", reshaping},
      // in another order
      {"PermuteBackward0", permuting},
      {"TBackward0", transposing_matrix},
      {"TransposeBackward0", transposing<saved::TransposeBackward0>},
      {"TransposeBackward1", transposing<saved::TransposeBackward1>},
      {"FlipBackward0", flipping},
      {"RollBackward0", rolling},
      // along one dimension or several
      {"AmaxBackward0", along_dim<saved::AmaxBackward0>},
      {"AminBackward0", along_dim<saved::AminBackward0>},
      {"CumprodBackward0", along_dim<saved::CumprodBackward0>},
      {"CumsumBackward0", along_dim<saved::CumsumBackward0>},
      {"GluBackward0", along_dim<saved::GluBackward0>},
      {"LinalgVectorNormBackward0", along_dim<saved::LinalgVectorNormBackward0>},
      {"LogcumsumexpBackward0", along_dim<saved::LogcumsumexpBackward0>},
      {"LogSoftmaxBackward0", along_dim<saved::LogSoftmaxBackward0>},
      {"LogsumexpBackward0", along_dim<saved::LogsumexpBackward0>},
      {"MaxBackward0", along_dim<saved::MaxBackward0>},
      {"MeanBackward1", along_dim<saved::MeanBackward1>},
      {"MedianBackward1", along_dim<saved::MedianBackward1>},
      {"MinBackward0", along_dim<saved::MinBackward0>},
      {"NormBackward1", along_dim<saved::NormBackward1>},
      {"ProdBackward1", along_dim<saved::ProdBackward1>},
      {"SoftmaxBackward0", along_dim<saved::SoftmaxBackward0>},
      {"SortBackward0", along_dim<saved::SortBackward0>},
      {"StdBackward0", along_dim<saved::StdBackward0>},
      {"SumBackward1", along_dim<saved::SumBackward1>},
      {"TopkBackward0", along_dim<saved::TopkBackward0>},
      {"VarBackward0", along_dim<saved::VarBackward0>},
      {"VarMeanBackward0", along_dim<saved::VarMeanBackward0>},
      {"GatherBackward0", along_dim<saved::GatherBackward0>},
      {"UnfoldBackward0", unfolding},
      // over everything: only where everything is one sample's
      {"MeanBackward0", [](const Way&) { return refuse(kMixes); }},
      {"SumBackward0", [](const Way&) { return refuse(kMixes); }},
      // parts and their joining
      {"CatBackward0", concatenating},
      {"ConstantPadNdBackward0", padding},
      {"IndexBackward0", indexing},
      {"IndexSelectBackward0", index_selecting},
      {"PackPaddedSequenceBackward0", packing},
      {"RepeatBackward0", repeating},
      {"SelectBackward0", selecting},
      {"SliceBackward0", slicing},
      {"SplitBackward0", splitting<saved::SplitBackward0>},
      {"SplitWithSizesBackward0", splitting_with_sizes<saved::SplitWithSizesBackward0>},
      {"StackBackward0", stacking},
      {"UnbindBackward0", unbinding},
      {"UnsafeSplitBackward0", splitting<saved::UnsafeSplitBackward0>},
      {"UnsafeSplitWithSizesBackward0", splitting_with_sizes<saved::UnsafeSplitWithSizesBackward0>},
      {"ExpandBackward0", elementwise},
      // pooling, resizing, padding of images
      {"AdaptiveAvgPool2DBackward0", within_last<2>},
      {"AdaptiveAvgPool3DBackward0", within_last<3>},
      {"AdaptiveMaxPool2DBackward0", within_last<2>},
      {"AdaptiveMaxPool3DBackward0", within_last<3>},
      {"AvgPool2DBackward0", within_last<2>},
      {"AvgPool3DBackward0", within_last<3>},
      {"Col2ImBackward0", within_last<2>},
      {"Im2ColBackward0", within_last<3>},
      {"MaxPool2DWithIndicesBackward0", within_last<2>},
      {"MaxPool3DWithIndicesBackward0", within_last<3>},
      {"PixelShuffleBackward0", within_last<3>},
      {"PixelUnshuffleBackward0", within_last<3>},
      {"ReflectionPad1DBackward0", within_last<1>},
      {"ReflectionPad2DBackward0", within_last<2>},
      {"ReflectionPad3DBackward0", within_last<3>},
      {"ReplicationPad1DBackward0", within_last<1>},
      {"ReplicationPad2DBackward0", within_last<2>},
      {"ReplicationPad3DBackward0", within_last<3>},
      {"UpsampleBicubic2DBackward0", within_last<2>},
      {"UpsampleBilinear2DBackward0", within_last<2>},
      {"UpsampleLinear1DBackward0", within_last<1>},
      {"UpsampleNearest1DBackward0", within_last<1>},
      {"UpsampleNearest2DBackward0", within_last<2>},
      {"UpsampleNearest3DBackward0", within_last<3>},
      {"UpsampleNearestExact1DBackward0", within_last<1>},
      {"UpsampleNearestExact2DBackward0", within_last<2>},
      {"UpsampleNearestExact3DBackward0", within_last<3>},
      {"UpsampleTrilinear3DBackward0", within_last<3>},
      // layers
      {"AddbmmBackward0", added_up_matrices},
      {"AddmmBackward0", added_matrix},
      {"AddmvBackward0", added_vector},
      {"BaddbmmBackward0", added_matrices},
      {"BmmBackward0", matrices},
      {"ConvolutionBackward0", convolving},
      {"DotBackward0", [](const Way&) { return refuse(kMixes); }},
      {"MkldnnRnnLayerBackward0", recurring},
      {"MmBackward0", matrix},
      {"MvBackward0", vector},
      {"NativeBatchNormBackward0", batch_normalising},
      {"NativeGroupNormBackward0", group_normalising},
      {"NativeLayerNormBackward0", layer_normalising},
      {"PreluBackward0", elementwise},
      {"PreluKernelBackward0", elementwise},
      {"ScaledDotProductFlashAttentionForCpuBackward0", attending},
      {"TrilinearBackward0", bilinear},
  };
  return list;
}

}  // namespace

Carried carry(Node& node, uint32_t input, uint32_t output, const Layout& layout) {
  const auto found = operations().find(node.name());
  if (found == operations().end())
    return {{}, "is not on the list of operations that are known to keep samples apart", false};
  const Way way{node, input, output, layout, input_shape(node.next_edge(input)), output_shape(node, output)};
  if (layout.samples() == 1) return {layout.whole(way.in, 0), ""};
  if (std::find(way.in.begin(), way.in.end(), 0) != way.in.end()) return refuse("takes an empty tensor");
  Carried result = found->second(way);
  if (!result.layout)
    if (const auto owner = layout.sole_owner()) return {layout.whole(way.in, *owner), ""};
  return result;
}

bool is_bilinear(const saved::TrilinearBackward0& node) {
  const auto& [a, w, b, summed] = std::tie(node.expand1, node.expand2, node.expand3, node.sumdim);
  return a == Shape{1, 3} && w == Shape{0} && b == Shape{1, 2} && summed == Shape{2, 3};
}

bool is_function_of_its_tensors(Node& node) {
  static const std::unordered_set<std::string> list = {"AddBackward0",
                                                       "AddBackward1",
                                                       "AliasBackward0",
                                                       "CatBackward0",
                                                       "CloneBackward0",
                                                       "DivBackward0",
                                                       "DivBackward1",
                                                       "ExpBackward0",
                                                       "ExpandBackward0",
                                                       "LinalgVectorNormBackward0",
                                                       "LogBackward0",
                                                       "MmBackward0",
                                                       "MulBackward0",
                                                       "MulBackward1",
                                                       "NegBackward0",
                                                       "NormBackward0",
                                                       "NormBackward1",
                                                       "PermuteBackward0",
                                                       "PowBackward0",
                                                       "ReciprocalBackward0",
                                                       "RepeatBackward0",
                                                       "ReshapeAliasBackward0",
                                                       "RsqrtBackward0",
                                                       "RsubBackward1",
                                                       "SelectBackward0",
                                                       "SigmoidBackward0",
                                                       "SliceBackward0",
                                                       "SoftmaxBackward0",
                                                       "SoftplusBackward0",
                                                       "SplitBackward0",
                                                       "SplitWithSizesBackward0",
                                                       "SqrtBackward0",
                                                       "SqueezeBackward0",
                                                       "SqueezeBackward1",
                                                       "StackBackward0",
                                                       "SubBackward0",
                                                       "SubBackward1",
                                                       "SumBackward0",
                                                       "SumBackward1",
                                                       "TBackward0",
                                                       "TanhBackward0",
                                                       "ToCopyBackward0",
                                                       "TransposeBackward0",
                                                       "UnbindBackward0",
                                                       "UnsafeSplitBackward0",
                                                       "UnsafeViewBackward0",
                                                       "UnsqueezeBackward0",
                                                       "ViewBackward0",
                                                       "WeightNormInterfaceBackward0"};
  if (list.count(node.name()) == 0) return false;
  for (const Edge& edge : node.next_edges())
    if (!edge.is_valid()) return false;
  return node.num_outputs() > 0;
}

}  // namespace discreet
