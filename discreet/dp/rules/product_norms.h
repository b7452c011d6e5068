// Norms of per-sample products left^T right, tile by tile in the processor's cache: no product is written to
// memory, unless it is to be kept, and nothing of an unfolded image is.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace discreet {

// One factor of the products: for each sample a matrix [positions, columns] of floats, wherever it lies.
class Columns {
 public:
  virtual ~Columns() = default;
  virtual int64_t samples() const = 0;
  virtual int64_t positions() const = 0;
  virtual int64_t columns() const = 0;
  // to [end - begin, width] = columns [first, first + count) of the sample's positions [begin, end); zeros
  // behind. count <= width.
  virtual void copy(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count, int64_t width,
                    float* to) const = 0;
};

// A tensor [samples, positions, columns] of floats on the processor, of any strides.
class StridedColumns : public Columns {
 public:
  explicit StridedColumns(at::Tensor x) : x_(std::move(x)) {}
  int64_t samples() const override { return x_.size(0); }
  int64_t positions() const override { return x_.size(1); }
  int64_t columns() const override { return x_.size(2); }
  void copy(int64_t sample, int64_t begin, int64_t end, int64_t first, int64_t count, int64_t width,
            float* to) const override;

 private:
  at::Tensor x_;
};

// Double [samples]: the sum of the squares of each sample's product [left columns, right columns]. A product
// is summed over the positions in floats. matrices: [samples, left columns, right columns], floats, dense, is
// filled where it is defined. Both factors have the same samples and positions.
at::Tensor squared_product_norms(const Columns& left, const Columns& right, at::Tensor matrices = {});

}  // namespace discreet
