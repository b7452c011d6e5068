// A clip rule: how one operation's parameters get per-sample gradient norms and weighted gradient sums from
// what autograd has anyway (the operation's saved inputs and the gradient of its output), without one
// gradient per sample being kept unless that is the cheap way.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "discreet/dp/layout.h"
#include "discreet/dp/libtorch.h"

namespace discreet {

// Where a rule has two ways to the norms: of the same gradients, at different cost and with different
// rounding.
enum class NormWay {
  kAutomatic,  // the cheaper one, by the sizes
  kGhost,      // from products between positions; where these are not exact enough the direct way
  kDirect,     // from each sample's gradient, made and squared
};

struct SquaredNorms {
  at::Tensor squared;  // double [samples]: squared L2 norm of each sample's gradient
  at::Tensor error;    // double [samples]: bound on the error of the norm (not squared) and of the sample's
                       // part of add_weighted; undefined: negligible (relative 2^-20)
  at::Tensor squared_error = {};  // double [samples]: bound on the error of `squared`, beside that of the
                                  // norm; undefined: none
};

// Gradients of a matrix [m, k] that are, per sample, a sum of outer products left[t] right[t]^T over
// positions t.
struct Factors {
  at::Tensor left;    // [samples, t, m]; or undefined, and
  at::Tensor tokens;  // [samples, t], int64 below m: left[t] is then 1 at the token and 0 elsewhere
  at::Tensor right;   // [samples, t, k]
};

// What a rule does for the samples of a batch, as far as sizes tell: a line of a plan (clip_plan.h).
struct RulePlan {
  std::string way;  // to the norms: "ghost", "direct", "product of norms", "rows", "tokens"
  double flops;     // multiplications and additions for the norms
  double bytes;     // most working memory at a time, beside the inputs; what is kept for the sum counts
  // Of SquaredNorms: the error over the norms of the factors multiplied (outer_products.h); 0 where it is
  // undefined.
  double rounding;
  double direct_flops;          // for the samples' gradients made in full
  int64_t terms;                // products that a sample adds to one number of the sum
  double unit;                  // unit roundoff of the sum within a block of samples
  double squared_rounding = 0;  // the most that SquaredNorms::squared_error may be over `squared`
};

// The gradients of one parameter of one operation in one backward pass, one for each sample. They have the
// shape of the tensor that entered the operation.
class Gradients {
 public:
  virtual ~Gradients() = default;

  // A sample with a value that is not finite gets a norm that is not finite.
  virtual SquaredNorms squared_norms() = 0;

  // sum += sum over samples i in [begin, end) of weights[i] * gradient of sample i. `weights` is double
  // [samples], `sum` double in the gradients' shape (any strides). At most 256 samples at a time: within them
  // the sum runs in the model's precision. A sample of weight 0 adds exactly nothing, whatever it contains.
  virtual void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) = 0;

  // Instead, where one product makes it: sum = that, in floats or doubles, whatever `sum` held. False where
  // this cannot be done; nothing changes then.
  virtual bool write_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum);

  // The slow, direct way: double, the sum of the gradients of samples [begin, end).
  virtual at::Tensor gradient(int64_t begin, int64_t end) = 0;

  // Takes in the gradients of another use of the same parameter, so that these are of their sum. False where
  // the two do not fit together; nothing changes then.
  virtual bool absorb(Gradients& other);

  // The same gradients as factors, where they are such.
  virtual std::optional<Factors> factors();

  // Nothing where the rule does not say.
  virtual std::optional<RulePlan> plan();

  // Before squared_norms(), which takes this way where it has both.
  void choose(NormWay way) { norm_way_ = way; }

 protected:
  NormWay norm_way() const { return norm_way_; }

 private:
  NormWay norm_way_ = NormWay::kAutomatic;
};

// What a rule has for a node of which several outputs may be used.
struct OutputsRule {
  // The layout of the node's first output from that of output `output`; nothing where that mixes samples.
  std::optional<Layout> (*first_layout)(libtorch::Node& node, uint32_t output, const Layout& layout);
  // The gradients of the parameters in the slots `inputs`, in that order. output_gradients: one for each
  // output, dense; undefined where no gradient flows. passed_on: one for each input slot; filled for those
  // that have something behind them and are no parameter's.
  std::vector<std::unique_ptr<Gradients>> (*gradients)(libtorch::Node& node,
                                                       const std::vector<uint32_t>& inputs,
                                                       const std::vector<at::Tensor>& output_gradients,
                                                       const Layout& layout,
                                                       std::vector<at::Tensor>* passed_on);
};

struct Rule {
  const char* name;       // "linear"
  const char* operation;  // the autograd node it covers: "AddmmBackward0"
  // Why a parameter in input slot `input` of this node cannot be covered; empty where it can. `layout` is
  // that of the node's first output.
  std::string (*refusal)(libtorch::Node& node, uint32_t input, const Layout& layout);
  // output_gradient: the gradient of the node's first output, dense. What is needed of the node is taken
  // here: right afterwards it lets go what it saved.
  std::unique_ptr<Gradients> (*gradients)(libtorch::Node& node, uint32_t input,
                                          const at::Tensor& output_gradient, const Layout& layout);
  // Instead of `gradients`, where the node has several outputs.
  const OutputsRule* outputs = nullptr;
};

inline bool Gradients::write_weighted(const at::Tensor&, int64_t, int64_t, at::Tensor) {
  return false;
}

inline bool Gradients::absorb(Gradients&) {
  return false;
}

inline std::optional<Factors> Gradients::factors() {
  return {};
}

inline std::optional<RulePlan> Gradients::plan() {
  return {};
}

}  // namespace discreet
