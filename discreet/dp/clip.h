// The clipped sum: every unit's gradient scaled to norm at most max_grad_norm (clipping.h), then added. It
// carries its sensitivity, and only from that can noise be calibrated (noise.h).
//
// One pass of autograd gives the gradients that flow into the operations with parameters; norms come from
// ghost products or from small direct gradients (rules/), then one weighted product per parameter gives the
// sum ("book-keeping", Bu et al. 2023). A parameter used several times, and a unit of several rows, have ONE
// norm, that of the summed gradient, cross terms included.
//
// Floating point: squares are summed in double, or with a bound on their error. Where rounding could move a
// sample's part of the sum by more than 2^-12 of the clip, that sample is recomputed in double, one by one
// (on a device its norm is taken for as large as it can be instead: clip_piece.h).
// Sums run in the model's precision within 256 samples, in double across. What one unit adds has norm at most
// max_grad_norm * (1 + 2^-10), and the sensitivity says so. Not proven: the last bits of the float sums
// depend on which other samples are in the same block (Casacuberta et al. 2022); clip_plan.h bounds and
// measures them.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "discreet/dp/block_sum.h"
#include "discreet/dp/clip_plan.h"
#include "discreet/dp/clipping.h"
#include "discreet/dp/graph.h"

namespace discreet {

class Processes;

class ClippedSum {
 public:
  ClippedSum(ClippedSum&&) = default;
  ClippedSum& operator=(ClippedSum&&) = default;

  // Double, one for each trained parameter, in its shape. Not private: only noise makes them releasable.
  std::vector<at::Tensor> tensors() const;
  // The same as they were summed up.
  const std::vector<BlockSum>& sums() const { return sums_; }

  // L2 norm by which adding or removing one unit can move the sum.
  double sensitivity() const { return sensitivity_; }

  // The sum over the units of count_parts (adaptive_clip.h), to which one adds at most 1/2. Not private
  // either. Waits for a device.
  double count() const;

  // Adds up the sums of all processes. Each unit is on one of them only, so the sensitivity stays.
  void sum_over(Processes& processes);

 private:
  friend class Clipper;
  ClippedSum(std::vector<BlockSum> sums, double sensitivity, at::Tensor count)
      : sums_(std::move(sums)), sensitivity_(sensitivity), count_(std::move(count)) {}
  std::vector<BlockSum> sums_;
  double sensitivity_;
  at::Tensor count_;  // double []
};

// Exact counts, private: for the owner's eyes only.
struct ClipCounts {
  int64_t units = 0;
  int64_t clipped = 0;     // norm above max_grad_norm
  int64_t not_finite = 0;  // NaN or infinity in the gradient: added nothing
};

class Clipper {
 public:
  // Parameters: floating, on one device, else kUnsupported. kInvalidArgument for numbers out of range
  // (clipping.h).
  Clipper(std::vector<TrainedParameter> parameters, double max_grad_norm, Clipping clipping = {},
          GraphOptions graph = {});

  // Adds the clipped gradients of one piece of a batch. output [rows, ...] with its graph (the rows are its
  // dimension GraphOptions::batch_dimension); output_gradient, of the same shape: row i is the gradient of
  // row i's own loss, any mean undone. unit_starts: the first row of each unit, ascending from 0 (rows of a
  // unit are consecutive, and a unit is never split between calls); empty: each row is a unit.
  // weights: of each unit, from 0 to Clipping::max_weight; undefined: all are 1. Throws kUnsupported
  // (graph.h) and kInvalidArgument; nothing is added then.
  void add(const at::Tensor& output, const at::Tensor& output_gradient,
           const std::vector<int64_t>& unit_starts = {}, const at::Tensor& weights = {});

  // How add() would go about it, every weight 1; adds nothing. Throws as it does; a batch has rows here.
  ClipPlan plan(const at::Tensor& output, const at::Tensor& output_gradient,
                const PlanOptions& options = {}) const;

  // Adds one unit's clipped gradient, given in full: one tensor for each trained parameter, in its shape;
  // undefined ones are zero.
  void add_unit(const std::vector<at::Tensor>& gradient, double weight = 1);

  // The sum of all that was added since the last call; zero where nothing was.
  ClippedSum take();

  // Of everything added since construction. Waits for a device.
  ClipCounts counts() const;

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  const GraphOptions& graph() const { return graph_; }
  // Of all groups together.
  double max_grad_norm() const { return max_grad_norm_; }
  // Of the sum to come.
  double sensitivity() const;
  // The clip of the sums to come; finite and positive, between take() and add() only, else kInvalidArgument.
  void set_max_grad_norm(double max_grad_norm);

 private:
  std::vector<BlockSum> zeros() const;
  at::Tensor zero(at::ScalarType type) const;
  void check_weight(double weight) const;
  void check_piece(const at::Tensor& output, const at::Tensor& output_gradient,
                   const std::vector<int64_t>& unit_starts) const;

  std::vector<TrainedParameter> parameters_;
  Clipping clipping_;
  GraphOptions graph_;
  std::vector<BoundedGroup> groups_;
  double max_grad_norm_ = 0;
  std::vector<std::shared_ptr<GradientBuffers>> buffers_;  // by parameter
  std::vector<BlockSum> sums_;
  at::Tensor count_;   // double []
  bool empty_ = true;  // nothing was added since the last take()
  int64_t units_ = 0;
  at::Tensor clipped_, not_finite_;  // int64 []: as ClipCounts
};

}  // namespace discreet
