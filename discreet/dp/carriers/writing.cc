// Tensors that are filled part by part in place: x.select(0, t).copy_(h), x.index_put_({t}, h), unpacked
// sequences.
#include <string>

#include "discreet/dp/carriers/carriers.h"

namespace discreet::carriers {

using namespace libtorch;

namespace {

// Where the view of a dense tensor lies with respect to one dimension of it: element i of the view has index
// start + i[dimension] * step there.
struct Along {
  int64_t start = 0, step = 0, dimension = -1;  // -1: all of it at `start`
};

// Nothing where the view does not follow the tensor's own dimensions.
std::optional<Along> along_dimension(const at::TensorGeometry& view, const at::TensorGeometry& base,
                                     const Shape& shape, int64_t dimension) {
  int64_t below = 1;  // elements behind one index of the dimension
  for (auto d = static_cast<int64_t>(shape.size()) - 1; d > dimension; --d) below *= shape[d];
  const int64_t size = shape[dimension], offset = view.storage_offset() - base.storage_offset();
  Along along{offset / below % size};
  int64_t behind = offset % below, index = along.start;  // the largest that an element has
  for (int64_t d = 0; d < view.dim(); ++d) {
    const int64_t stride = view.strides()[d], most = view.sizes()[d] - 1;
    if (most == 0) continue;
    if (stride < below) {
      behind += most * stride;
    } else if (stride < below * size) {
      if (stride % below != 0 || along.dimension >= 0) return {};
      along.dimension = d;
      along.step = stride / below;
      index += most * along.step;
    } else if (stride % (below * size) != 0) {
      return {};
    }
  }
  if (offset < 0 || behind >= below || index >= size) return {};
  return along;
}

}  // namespace

// Input 0 is the tensor before, input 1 what was written.
Carried writing_part(const Way& way) {
  auto& writing = dynamic_cast<CopySlices&>(way.node);
  const std::string by = writing.fn->name();
  const bool copy = by == "torch::autograd::CopyBackwards";
  if (!copy && by != "ZeroBackward0" && by.rfind("FillBackward", 0) != 0)
    return {{}, "changes a part of a tensor in place by '" + by + "': only copies may be written to a part"};
  if (way.input == 0) return reshaping(way);
  const auto place = way.layout.place(way.out);
  if (!place) return refuse(kSpread);
  if (!copy || !writing.base.is_contiguous()) return refuse(kMixes);
  const auto along = along_dimension(writing.view, writing.base, way.out, place->dimension);
  if (!along) return refuse("writes to parts of several samples");
  const Shape shape = writing.view.sizes().vec();
  const auto owner = [&](int64_t i) { return owner_of(way, *place, along->start + i * along->step); };
  if (along->dimension < 0) return {way.layout.whole(way.in, owner(0)), ""};
  Layout::Owners owners(shape[along->dimension]);
  for (size_t i = 0; i < owners.size(); ++i) owners[i] = owner(static_cast<int64_t>(i));
  const Layout written = way.layout.rows(shape, along->dimension, std::move(owners));
  if (const auto one = written.sole_owner()) return {way.layout.whole(way.in, *one), ""};
  return elementwise({way.node, way.input, way.output, written, way.in, shape});
}

}  // namespace discreet::carriers
