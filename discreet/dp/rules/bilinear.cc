// Bilinear layers: out_o = a^T W_o b, for rows a [rows, m] and b [rows, k] of which each sample owns some.
// Per sample the gradient of W is the sum over its rows of g x a x b (outer products of three), whose squared
// norm is the sum over pairs of rows of (g.g')(a.a')(b.b').
#include <algorithm>

#include "discreet/dp/operations.h"
#include "discreet/dp/rules/outer_products.h"
#include "discreet/dp/rules/row_kernels.h"
#include "discreet/dp/rules/weighted_rows.h"

namespace discreet {
namespace {

using namespace libtorch;

class TripleProducts : public Gradients {
 public:
  // g [samples, t, o], a [samples, t, m], b [samples, t, k]
  TripleProducts(const at::Tensor& g, const at::Tensor& a, const at::Tensor& b)
      : g_(at_least_float(g)), a_(at_least_float(a)), b_(at_least_float(b)) {}

  SquaredNorms squared_norms() override {
    const int64_t samples = g_.size(0), t = g_.size(1);
    const at::Tensor squares = row_squares(g_) * row_squares(a_) * row_squares(b_);
    if (t == 1) return {squares, {}};
    SquaredNorms result{at::empty_like(squares), {}};
    const int64_t widths = all_widths();
    const int64_t block = block_of_pairs();
    for (int64_t begin = 0; begin < samples; begin += block) {
      const int64_t end = std::min(begin + block, samples);
      const auto pairs = [&](const at::Tensor& x) {
        const at::Tensor rows = x.slice(0, begin, end).to(at::kDouble);
        return rows.bmm(rows.transpose(1, 2));
      };
      result.squared.slice(0, begin, end).copy_((pairs(g_) * pairs(a_) * pairs(b_)).sum({1, 2}).clamp_min(0));
    }
    // sum_t |g_t| |a_t| |b_t| <= |g| |a| |b|; the sums below are in double.
    result.error = squares.sqrt() * outer::ghost_error(t, 3 * widths);
    return result;
  }

  void add_weighted(const at::Tensor& weights, int64_t begin, int64_t end, at::Tensor sum) override {
    const WeightedRows rows(weights, begin, end);
    if (rows.empty()) return;
    const at::Tensor factors = rows.weights().view({-1, 1, 1});
    add(rows.take(g_).to(at::kDouble) * factors, rows.take(a_), rows.take(b_), sum);
  }

  at::Tensor gradient(int64_t begin, int64_t end) override {
    at::Tensor sum = at::zeros({g_.size(2), a_.size(2), b_.size(2)}, g_.options().dtype(at::kDouble));
    const auto part = [&](const at::Tensor& x) { return x.slice(0, begin, end).to(at::kDouble); };
    add(part(g_), part(a_), part(b_), sum);
    return sum;
  }

  bool absorb(Gradients& other) override {
    auto* more = dynamic_cast<TripleProducts*>(&other);
    if (more == nullptr) return false;
    g_ = at::cat({g_, more->g_}, 1);
    a_ = at::cat({a_, more->a_}, 1);
    b_ = at::cat({b_, more->b_}, 1);
    return true;
  }

  std::optional<RulePlan> plan() override {
    const auto number = [](int64_t value) { return static_cast<double>(value); };
    const double n = number(g_.size(0)), t = number(g_.size(1)), o = number(g_.size(2));
    const double m = number(a_.size(2)), k = number(b_.size(2)), widths = o + m + k;
    RulePlan plan{.way = "product of norms",
                  .flops = n * (2 * widths + 2),
                  .bytes = n * 4 * sizeof(double),
                  .rounding = 0,
                  .direct_flops = n * t * m * k * (2 * o + 1),
                  .terms = g_.size(1),
                  .unit = outer::unit_roundoff(at::kDouble)};
    if (g_.size(1) == 1) return plan;
    plan.way = "ghost";
    plan.flops = n * t * t * (2 * widths + 3);
    plan.bytes = number(std::min(g_.size(0), block_of_pairs())) * t * (widths + 3 * t) * sizeof(double);
    plan.rounding = outer::ghost_error(g_.size(1), 3 * all_widths());
    return plan;
  }

 private:
  int64_t all_widths() const { return g_.size(2) + a_.size(2) + b_.size(2); }
  // Samples whose products of positions are made at a time.
  int64_t block_of_pairs() const {
    const int64_t t = g_.size(1);
    return std::max<int64_t>(1, kBlockNumbers / (t * (all_widths() + 3 * t)));
  }

  // Blocks of rows, so that the products of a and b stay small.
  static void add(const at::Tensor& g, const at::Tensor& a, const at::Tensor& b, at::Tensor sum) {
    const at::Tensor gs = g.flatten(0, 1), as = a.flatten(0, 1), bs = b.flatten(0, 1);
    const int64_t rows = gs.size(0), block = std::max<int64_t>(1, kBlockNumbers / (as.size(1) * bs.size(1)));
    for (int64_t begin = 0; begin < rows; begin += block) {
      const auto part = [&](const at::Tensor& x) {
        return x.slice(0, begin, std::min(begin + block, rows)).to(at::kDouble);
      };
      const at::Tensor products = (part(as).unsqueeze(2) * part(bs).unsqueeze(1)).flatten(1);
      sum.add_(part(gs).t().mm(products).view(sum.sizes()));
    }
  }

  at::Tensor g_, a_, b_;
};

std::string refuse(Node& node, uint32_t input, const Layout& layout) {
  if (!is_bilinear(dynamic_cast<saved::TrilinearBackward0&>(node)))
    return "it is another product of three than a bilinear layer's";
  if (input != 1) return "it stands where the rows of the batch are expected";
  return layout.leads(output_shape(node), 1) ? "" : "the batch is not its first dimension";
}

std::unique_ptr<Gradients> gradients(Node& node, uint32_t, const at::Tensor& g, const Layout& layout) {
  auto& bilinear = dynamic_cast<saved::TrilinearBackward0&>(node);
  const Shape out = g.sizes().vec();
  const auto by_sample = [&](const at::Tensor& x) { return layout.samples_first(x, 1, out, 1); };
  return std::make_unique<TripleProducts>(by_sample(g), by_sample(unpack(bilinear.i1_, node)),
                                          by_sample(unpack(bilinear.i3_, node)));
}

}  // namespace

namespace rules {
extern const Rule kBilinear;
const Rule kBilinear{"bilinear", "TrilinearBackward0", refuse, gradients};
}  // namespace rules
}  // namespace discreet
