// Norms of per-sample products left^T right, tile by tile in the processor's cache: no product is written to
// memory, unless it is to be kept, and nothing of an unfolded image is.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace discreet {

// The left factor of the products: for each sample a matrix [positions, columns] of floats that is read where
// it lies. Column j of position i of run r is at base + starts[r] + i * step + offsets[j].
class PlacedColumns {
 public:
  struct Places {
    std::vector<int64_t> starts;  // of the runs of positions
    int64_t length;               // positions of each run
    int64_t step;
    std::vector<int64_t> offsets;  // one for each column
  };

  virtual ~PlacedColumns() = default;
  virtual int64_t samples() const = 0;
  // The base of one sample's numbers. `space` is the calling thread's, empty before its first sample, and may
  // be filled with them.
  virtual const float* base(int64_t sample, std::vector<float>* space) const = 0;
  // The sum of the squares of the sample's numbers there, each counted once.
  virtual double squares(const float* base) const = 0;

  const Places& places() const { return places_; }
  int64_t positions() const { return static_cast<int64_t>(places_.starts.size()) * places_.length; }
  int64_t columns() const { return static_cast<int64_t>(places_.offsets.size()); }

 protected:
  Places places_;
};

// A tensor [samples, positions, columns] of floats on the processor, of any strides.
class StridedColumns : public PlacedColumns {
 public:
  explicit StridedColumns(at::Tensor x);
  int64_t samples() const override { return x_.size(0); }
  const float* base(int64_t sample, std::vector<float>* space) const override;
  double squares(const float* base) const override;

 private:
  at::Tensor x_;
  bool in_place_;
};

// All double [samples].
struct ProductNorms {
  at::Tensor squared;      // the sum of the squares of each sample's product [left columns, right columns]
  at::Tensor left, right;  // the sums of the squares of the sample's factors
};

// A product is summed over the positions in floats. right: [samples, positions, columns], floats on the
// processor, of any strides. matrices: [samples, right columns, left columns], floats, dense, is filled with
// the products transposed where it is defined.
ProductNorms product_norms(const PlacedColumns& left, const at::Tensor& right, at::Tensor matrices = {});

}  // namespace discreet
