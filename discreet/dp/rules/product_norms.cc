#include "discreet/dp/rules/product_norms.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "discreet/dp/rules/product_tile.h"

namespace discreet {
namespace {

constexpr int64_t kPositions = 1024;  // at a time: what a tile reads of both factors stays in the cache
constexpr int64_t kWorthAThread = int64_t{1} << 18;  // multiplications

// What a thread needs for one sample after another.
class Workspace {
 public:
  Workspace(const Columns& left, const Columns& right, const at::Tensor& matrices)
      : left_(left),
        right_(right),
        m_(left.columns()),
        k_(right.columns()),
        t_(right.positions()),
        panels_((m_ + kTileRows - 1) / kTileRows),
        tile_(tile_columns()),
        matrices_(matrices.defined() ? matrices.data_ptr<float>() : nullptr),
        left_panels_(panels_ * kTileRows * std::min(t_, kPositions)),
        right_tile_(tile_.most * std::min(t_, kPositions)),
        products_(panels_ * kTileRows * tile_.most) {}

  double squares(int64_t sample) {
    const bool once = t_ <= kPositions;  // the left factor is packed once for all tiles
    double sum = 0;
    if (once) pack_left(sample, 0, t_);
    for (int64_t first = 0; first < k_; first += tile_.most) {
      const int64_t count = std::min(tile_.most, k_ - first);
      const int64_t width = (count + tile_.lanes - 1) / tile_.lanes * tile_.lanes, size = kTileRows * width;
      for (int64_t begin = 0; begin < t_; begin += kPositions) {
        const int64_t end = std::min(begin + kPositions, t_);
        if (!once) pack_left(sample, begin, end);
        right_.copy(sample, begin, end, first, count, width, right_tile_.data());
        for (int64_t panel = 0; panel < panels_; ++panel) {
          float* product = products_.data() + panel * size;
          multiply_tile(left_panels_.data() + panel * kTileRows * (end - begin), right_tile_.data(),
                        end - begin, width, begin > 0, product);
          if (end == t_) {
            sum += tile_squares(product, size);
            if (matrices_ != nullptr) keep(product, sample, panel, first, count, width);
          }
        }
      }
    }
    return sum;
  }

 private:
  void pack_left(int64_t sample, int64_t begin, int64_t end) {
    for (int64_t panel = 0; panel < panels_; ++panel) {
      const int64_t first = panel * kTileRows;
      left_.copy(sample, begin, end, first, std::min(kTileRows, m_ - first), kTileRows,
                 left_panels_.data() + first * (end - begin));
    }
  }

  void keep(const float* product, int64_t sample, int64_t panel, int64_t first, int64_t count,
            int64_t width) {
    for (int64_t row = 0; row < std::min(kTileRows, m_ - panel * kTileRows); ++row)
      std::copy_n(product + row * width, count,
                  matrices_ + (sample * m_ + panel * kTileRows + row) * k_ + first);
  }

  const Columns &left_, &right_;
  const int64_t m_, k_, t_, panels_;
  const TileColumns tile_;
  float* matrices_;
  std::vector<float> left_panels_, right_tile_, products_;
};

}  // namespace

void StridedColumns::copy(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count,
                          int64_t width, float* to) const {
  const int64_t t = end - begin, of_position = x_.stride(1), of_column = x_.stride(2);
  const float* from = x_.data_ptr<float>() + sample * x_.stride(0) + begin * of_position + first * of_column;
  if (of_column == 1) {
    for (int64_t i = 0; i < t; ++i) {
      std::copy_n(from + i * of_position, count, to + i * width);
      std::fill(to + i * width + count, to + (i + 1) * width, 0.f);
    }
    return;
  }
  for (int64_t i = 0; i < t; ++i) {
    for (int64_t j = 0; j < count; ++j) to[i * width + j] = from[i * of_position + j * of_column];
    for (int64_t j = count; j < width; ++j) to[i * width + j] = 0;
  }
}

at::Tensor squared_product_norms(const Columns& left, const Columns& right, at::Tensor matrices) {
  const int64_t samples = left.samples();
  at::Tensor result = at::zeros({samples}, at::kDouble);
  double* squared = result.data_ptr<double>();
  const int64_t each = std::max<int64_t>(1, left.positions() * left.columns() * right.columns());
  at::parallel_for(0, samples, std::max<int64_t>(1, kWorthAThread / each), [&](int64_t begin, int64_t end) {
    Workspace work(left, right, matrices);
    for (int64_t sample = begin; sample < end; ++sample) squared[sample] = work.squares(sample);
  });
  return result;
}

}  // namespace discreet
