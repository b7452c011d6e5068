#include "discreet/dp/rules/ghost_norms.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "discreet/dp/rules/product_tile.h"

namespace discreet {
namespace {

constexpr int64_t kTileWidth = 32;                   // positions; wider tiles would meet most pairs twice
constexpr int64_t kWorthAThread = int64_t{1} << 18;  // multiplications

using Places = PlacedColumns::Places;

// Equal runs of equal steps that these offsets are: one where it may be, single ones where it must be.
Places runs_of(const std::vector<int64_t>& offsets) {
  const auto count = static_cast<int64_t>(offsets.size());
  const int64_t step = count > 1 ? offsets[1] - offsets[0] : 0;
  int64_t length = 1;
  while (length < count && offsets[length] - offsets[length - 1] == step) ++length;
  bool equal = count % length == 0;
  for (int64_t i = 0; i < count && equal; ++i)
    equal = offsets[i] == offsets[i - i % length] + i % length * step;
  if (!equal) length = 1;
  Places places{{}, length, step, {}};
  for (int64_t i = 0; i < count; i += length) places.starts.push_back(offsets[i]);
  return places;
}

// The factor the other way round: its columns are what is summed over, its positions the columns.
Places turned(const Places& places) {
  Places result = runs_of(places.offsets);
  for (const int64_t start : places.starts)
    for (int64_t i = 0; i < places.length; ++i) result.offsets.push_back(start + i * places.step);
  return result;
}

// What a thread needs of one factor.
class Side {
 public:
  Side(const PlacedColumns& factor, int64_t width)
      : factor_(factor),
        places_(turned(factor.places())),
        rows_(places_.offsets),
        tile_(kMostTileRows * width),
        products_((factor.positions() + kMostTileRows) * width) {
    rows_.resize(rows_.size() + kMostTileRows, rows_.back());  // the last tile's rows that nobody wants
  }

  void take(int64_t sample) { base_ = factor_.base(sample, &space_); }

  // [positions, width]: the products of positions [0, first + count) with those of [first, first + count);
  // zeros behind.
  const double* products(int64_t first, int64_t count, int64_t width) {
    const int64_t columns = factor_.columns(), rows = tile_rows(width);
    std::fill_n(products_.data(), (first + count + kMostTileRows) * width, 0.0);
    for (int64_t begin = 0; begin < columns;) {
      const TileRuns runs = places_.runs_from(base_, begin, kGhostChain);
      pack(runs, first, count, width);
      for (int64_t row = 0; row < first + count; row += rows) {
        multiply_tile(runs, rows_.data() + row, packed_.data(), width, /*add=*/false, tile_.data());
        tile_add(tile_.data(), rows * width, products_.data() + row * width);
      }
      begin += runs.runs * runs.length;
    }
    return products_.data();
  }

 private:
  // The numbers at positions [first, first + count), for each column of the runs; zeros behind.
  void pack(const TileRuns& runs, int64_t first, int64_t count, int64_t width) {
    packed_.resize(std::max(packed_.size(), static_cast<size_t>(runs.runs * runs.length * width)));
    float* to = packed_.data();
    const int64_t* offsets = places_.offsets.data() + first;
    const int64_t apart = count > 1 ? offsets[1] - offsets[0] : 1;
    const bool even = is_even(offsets, count, apart);
    if (even && apart != 1 && runs.runs == 1 && runs.step == 1) {
      transpose_columns(runs.base + runs.starts[0] + offsets[0], apart, runs.length, count, width, to);
      return;
    }
    for (int64_t run = 0; run < runs.runs; ++run) {
      const float* from = runs.base + runs.starts[run];
      for (int64_t i = 0; i < runs.length; ++i, from += runs.step, to += width) {
        if (even && apart == 1) {
          std::copy_n(from + offsets[0], count, to);
        } else {
          for (int64_t j = 0; j < count; ++j) to[j] = from[offsets[j]];
        }
        std::fill(to + count, to + width, 0.f);
      }
    }
  }

  static bool is_even(const int64_t* offsets, int64_t count, int64_t apart) {
    for (int64_t j = 1; j < count; ++j)
      if (offsets[j] - offsets[j - 1] != apart) return false;
    return true;
  }

  const PlacedColumns& factor_;
  const Places places_;
  std::vector<int64_t> rows_;
  const float* base_ = nullptr;
  std::vector<float> space_, packed_, tile_;
  std::vector<double> products_;
};

// Several sums at a time need not wait for each other.
double dot(const double* one, const double* other, int64_t count) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int64_t k = 0; k < 4; ++k) sums[k] += one[i + k] * other[i + k];
  for (; i < count; ++i) sums[0] += one[i] * other[i];
  return sums[0] + sums[1] + (sums[2] + sums[3]);
}

struct Sums {
  double squared = 0, left = 0, right = 0, lengths = 0;
};

class Workspace {
 public:
  Workspace(const PlacedColumns& left, const PlacedColumns& right)
      : positions_(left.positions()),
        lanes_(tile_columns().lanes),
        width_(std::min(kTileWidth, tile_columns().most)),
        left_(left, width_),
        right_(right, width_) {}

  Sums sums(int64_t sample) {
    left_.take(sample);
    right_.take(sample);
    Sums sums;
    for (int64_t first = 0; first < positions_; first += width_) {
      const int64_t count = std::min(width_, positions_ - first);
      const int64_t width = (count + lanes_ - 1) / lanes_ * lanes_;
      const double *left = left_.products(first, count, width), *right = right_.products(first, count, width);
      // A pair of positions in two tiles stands for itself and the one the other way round.
      const int64_t before = first * width;
      sums.squared += 2 * dot(left, right, before) + dot(left + before, right + before, count * width);
      for (int64_t i = 0; i < count; ++i) {
        const double l = left[before + i * (width + 1)], r = right[before + i * (width + 1)];
        sums.left += l;
        sums.right += r;
        sums.lengths += std::sqrt(l * r);
      }
    }
    sums.squared = sums.squared < 0 ? 0 : sums.squared;  // NaN stays
    return sums;
  }

 private:
  const int64_t positions_, lanes_, width_;
  Side left_, right_;
};

}  // namespace

GhostNorms ghost_norms(const PlacedColumns& left, const PlacedColumns& right) {
  const int64_t samples = left.samples(), t = left.positions();
  const auto zeros = [&] { return at::zeros({samples}, at::kDouble); };
  GhostNorms result{zeros(), zeros(), zeros(), zeros()};
  if (t == 0 || left.columns() == 0 || right.columns() == 0) return result;
  auto *squared = result.squared.data_ptr<double>(), *of_left = result.left.data_ptr<double>();
  auto *of_right = result.right.data_ptr<double>(), *lengths = result.lengths.data_ptr<double>();
  const int64_t each = std::max<int64_t>(1, t * t * (left.columns() + right.columns()) / 2);
  at::parallel_for(0, samples, std::max<int64_t>(1, kWorthAThread / each), [&](int64_t begin, int64_t end) {
    Workspace work(left, right);
    for (int64_t sample = begin; sample < end; ++sample) {
      const Sums sums = work.sums(sample);
      squared[sample] = sums.squared;
      of_left[sample] = sums.left;
      of_right[sample] = sums.right;
      lengths[sample] = sums.lengths;
    }
  });
  return result;
}

}  // namespace discreet
