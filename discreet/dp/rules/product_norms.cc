#include "discreet/dp/rules/product_norms.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "discreet/dp/rules/product_tile.h"

namespace discreet {
namespace {

constexpr int64_t kTileNumbers = 6144;  // of the right factor at a time: they stay in the nearest cache
constexpr int64_t kWorthAThread = int64_t{1} << 18;  // multiplications
constexpr int64_t kNearStep = 1024;                  // rows further apart than that share few sets of a cache

// What a thread needs for one sample after another.
class Workspace {
 public:
  Workspace(const PlacedColumns& left, const at::Tensor& right, const at::Tensor& matrices)
      : left_(left),
        places_(left.places()),
        right_(right),
        m_(left.columns()),
        k_(right.size(2)),
        t_(right.size(1)),
        tile_(tile_columns()),
        matrices_(matrices.defined() ? matrices.data_ptr<float>() : nullptr),
        offsets_(places_.offsets),
        products_((m_ + kMostTileRows) * tile_.most) {
    offsets_.resize(m_ + kMostTileRows, places_.offsets.back());  // the last tile's rows that nobody wants
  }

  struct Squares {
    double product = 0, left = 0, right = 0;
  };

  Squares squares(int64_t sample) {
    const float* base = left_.base(sample, &space_);
    Squares sum{.left = left_.squares(base)};
    for (int64_t first = 0; first < k_; first += tile_.most) {
      const int64_t count = std::min(tile_.most, k_ - first);
      const int64_t width = (count + tile_.lanes - 1) / tile_.lanes * tile_.lanes, rows = tile_rows(width);
      for (int64_t begin = 0; begin < t_;) {
        const TileRuns runs = runs_from(base, begin, kTileNumbers / width);
        const int64_t end = begin + runs.runs * runs.length;
        pack_right(sample, begin, end, first, count, width);
        sum.right += tile_squares(right_tile_.data(), (end - begin) * width);
        for (int64_t row = 0; row < m_; row += rows) {
          float* product = products_.data() + row * width;
          multiply_tile(runs, offsets_.data() + row, right_tile_.data(), width, begin > 0, product);
          if (end < t_) continue;
          const int64_t wanted = std::min(rows, m_ - row);
          sum.product += tile_squares(product, wanted * width);
          if (matrices_ != nullptr) keep(product, sample, row, wanted, first, count, width);
        }
        begin = end;
      }
    }
    return sum;
  }

 private:
  // Some `most` positions from `begin`: whole runs, or a part of one.
  TileRuns runs_from(const float* base, int64_t begin, int64_t most) const {
    const int64_t length = places_.length, run = begin / length, inside = begin % length;
    const int64_t* starts = places_.starts.data() + run;
    if (length > most)
      return {base + inside * places_.step, starts, 1, std::min(most, length - inside), places_.step};
    const int64_t left = static_cast<int64_t>(places_.starts.size()) - run;
    return {base, starts, std::min(left, most / length), length, places_.step};
  }

  // Columns [first, first + count) of positions [begin, end), rows of `width`; zeros behind.
  void pack_right(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count, int64_t width) {
    const int64_t t = end - begin, of_position = right_.stride(1), of_column = right_.stride(2);
    right_tile_.resize(std::max(right_tile_.size(), static_cast<size_t>(t * width)));
    float* to = right_tile_.data();
    const float* from =
        right_.data_ptr<float>() + sample * right_.stride(0) + begin * of_position + first * of_column;
    if (of_position == 1 && of_column != 1) {
      transpose_columns(from, of_column, t, count, width, to);
      return;
    }
    for (int64_t i = 0; i < t; ++i, from += of_position, to += width) {
      if (of_column == 1) {
        std::copy_n(from, count, to);
      } else {
        for (int64_t j = 0; j < count; ++j) to[j] = from[j * of_column];
      }
      std::fill(to + count, to + width, 0.f);
    }
  }

  void keep(const float* product, int64_t sample, int64_t row, int64_t rows, int64_t first, int64_t count,
            int64_t width) {
    float* to = matrices_ + (sample * k_ + first) * m_ + row;
    for (int64_t column = 0; column < count; ++column, to += m_)
      for (int64_t i = 0; i < rows; ++i) to[i] = product[i * width + column];
  }

  const PlacedColumns& left_;
  const PlacedColumns::Places& places_;
  const at::Tensor& right_;
  const int64_t m_, k_, t_;
  const TileColumns tile_;
  float* matrices_;
  std::vector<int64_t> offsets_;
  std::vector<float> space_, right_tile_, products_;
};

}  // namespace

StridedColumns::StridedColumns(at::Tensor x)
    : x_(std::move(x)), in_place_(x_.stride(1) == 1 || (x_.stride(2) == 1 && x_.stride(1) <= kNearStep)) {
  const int64_t columns = x_.size(2), of_column = in_place_ ? x_.stride(2) : 1;
  places_ = {{0}, x_.size(1), in_place_ ? x_.stride(1) : columns, {}};
  for (int64_t j = 0; j < columns; ++j) places_.offsets.push_back(j * of_column);
}

const float* StridedColumns::base(int64_t sample, std::vector<float>* space) const {
  const float* from = x_.data_ptr<float>() + sample * x_.stride(0);
  if (in_place_) return from;
  const int64_t columns = x_.size(2), of_column = x_.stride(2);
  space->resize(x_.size(1) * columns);
  float* to = space->data();
  for (int64_t i = 0; i < x_.size(1); ++i, from += x_.stride(1), to += columns) {
    if (of_column == 1) {
      std::copy_n(from, columns, to);
    } else {
      for (int64_t j = 0; j < columns; ++j) to[j] = from[j * of_column];
    }
  }
  return space->data();
}

double StridedColumns::squares(const float* base) const {
  const int64_t t = x_.size(1), columns = x_.size(2);
  const bool by_column = in_place_ && x_.stride(2) != 1;
  if (!in_place_ || (!by_column && x_.stride(1) == columns)) return tile_squares(base, t * columns);
  double sum = 0;
  for (int64_t line = 0; line < (by_column ? columns : t); ++line)
    sum += by_column ? tile_squares(base + line * x_.stride(2), t)
                     : tile_squares(base + line * x_.stride(1), columns);
  return sum;
}

ProductNorms product_norms(const PlacedColumns& left, const at::Tensor& right, at::Tensor matrices) {
  const int64_t samples = left.samples();
  const auto zeros = [&] { return at::zeros({samples}, at::kDouble); };
  ProductNorms result{zeros(), zeros(), zeros()};
  if (left.positions() == 0 || left.columns() == 0 || right.size(2) == 0) {
    if (matrices.defined()) matrices.zero_();
    return result;
  }
  auto* squared = result.squared.data_ptr<double>();
  auto *of_left = result.left.data_ptr<double>(), *of_right = result.right.data_ptr<double>();
  const int64_t each = std::max<int64_t>(1, left.positions() * left.columns() * right.size(2));
  at::parallel_for(0, samples, std::max<int64_t>(1, kWorthAThread / each), [&](int64_t begin, int64_t end) {
    Workspace work(left, right, matrices);
    for (int64_t sample = begin; sample < end; ++sample) {
      const Workspace::Squares squares = work.squares(sample);
      squared[sample] = squares.product;
      of_left[sample] = squares.left;
      of_right[sample] = squares.right;
    }
  });
  return result;
}

}  // namespace discreet
