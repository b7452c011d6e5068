#include "discreet/dp/rules/pair_norms.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "discreet/dp/rules/packed_positions.h"
#include "discreet/dp/rules/position_pairs.h"

namespace discreet {
namespace {

constexpr int64_t kWorthAThread = int64_t{1} << 18;  // multiplications
constexpr double kLeast = 0x1p-126;                  // below it a float may be flushed to 0
constexpr double kUp = 1 + 0x1p-18;                  // covers some roundings of floats and many of doubles

// With a column at least.
at::Tensor dense_columns(const at::Tensor& x) {
  if (x.size(2) == 0) return at::zeros({x.size(0), x.size(1), 1}, x.options());
  return x.stride(2) == 1 || x.size(2) == 1 ? x : x.contiguous();
}

// One factor: its products between positions, panel by panel, and its positions' norms.
class Side {
 public:
  explicit Side(const at::Tensor& x)
      : x_(x),
        packs_(x.size(1) >= kManyPositions),
        width_(packs_ ? packed_width(x.size(1)) : panel_width(x.size(1))),
        relative_(sum_error(packs_ ? packed_roundings(x.size(2)) : position_roundings(x.size(2)))),
        absolute_(4 * static_cast<double>(x.size(2) + 64) * kLeast),
        norms_(x.size(1) + kBehind),
        packed_(packs_ ? width_ * x.size(2) : 0),
        products_(kPanelRows * width_ + kBehind) {}

  void start(int64_t sample) {
    rows_ = {x_.data_ptr<float>() + sample * x_.stride(0), x_.stride(1), x_.size(2)};
    if (packs_) pack_positions(rows_, x_.size(1), packed_.data());
    squares = sum_of_norms = 0;
  }

  // Positions [begin, end) with all before, and the norms of these.
  void multiply(int64_t begin, int64_t end) {
    if (packs_) {
      multiply_packed(rows_, packed_.data(), width_, begin, end, products_.data());
    } else {
      width_ = panel_width(end);
      multiply_positions(rows_, begin, end, products_.data());
    }
    for (int64_t i = begin; i < end; ++i) {
      const double square = row(i - begin)[i] * (1 + 2 * relative_) + absolute_, norm = std::sqrt(square);
      squares += square * kUp;
      sum_of_norms += norm * kUp;
      norms_[i] = static_cast<float>(norm * kUp);
    }
  }

  const float* row(int64_t i) const { return products_.data() + i * width_; }
  const float* norms() const { return norms_.data(); }
  double relative() const { return relative_; }
  double absolute() const { return absolute_; }

  double squares = 0, sum_of_norms = 0;  // of the positions' norms so far

 private:
  static constexpr size_t kBehind = 8;  // what sum_pairs() may read behind the last number

  const at::Tensor& x_;
  const bool packs_;
  int64_t width_;
  // A product is wrong by at most relative_ times both norms, and absolute_ beside it. That is twice what
  // the underflows of floats can add, and part of each norm (in `multiply`): it has room for the products of
  // errors that PairsOfSample leaves out, and for a processor that takes numbers below the range for 0.
  const double relative_, absolute_;
  PositionRows rows_{};
  std::vector<float> norms_, packed_, products_;
};

// Of one sample: the squared norm of its product, panel by panel, and a bound on the error.
// L R is wrong by dL |R| + |L| dR + dL dR, for computed L and R that are wrong by dL and dR.
class PairsOfSample {
 public:
  // Positions [begin, end), which both sides have just multiplied.
  void add(const Side& left, const Side& right, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float *l = left.row(i - begin), *r = right.row(i - begin);
      const PairSums sums = sum_pairs(l, r, left.norms(), right.norms(), i);
      const double l_norm = left.norms()[i], r_norm = right.norms()[i];
      squared_ += 2 * sums.products + static_cast<double>(l[i]) * r[i];
      error_ += left.relative() * l_norm * (2. * sums.left_norms + l_norm * std::abs(r[i])) +
                right.relative() * r_norm * (2. * sums.right_norms + r_norm * std::abs(l[i]));
      norms_ += l_norm * r_norm;
    }
  }

  double squared() const { return squared_; }

  // After all t positions.
  double error(const Side& left, const Side& right, int64_t t) const {
    const auto positions = static_cast<double>(t);
    double error = error_ * (1 + positions * 0x1p-22);  // sums of at most t floats, none of them negative
    // dL dR, and the sum of t^2 products in double.
    error += (left.relative() * right.relative() + positions * positions * 0x1p-52) * norms_ * norms_;
    // What is lost below the range of floats, here and in the sums above.
    const double l = left.sum_of_norms, r = right.sum_of_norms;
    const auto squared = [](double x) { return x * x; };
    error += left.absolute() * squared(r) + right.absolute() * squared(l) +
             2 * squared(positions) * left.absolute() * right.absolute() +
             4 * positions * kLeast * (left.relative() * l + right.relative() * r);
    return error * kUp * kUp;
  }

 private:
  double squared_ = 0, error_ = 0;
  double norms_ = 0;  // the sum of the products of both norms
};

}  // namespace

PairNorms pair_norms(const at::Tensor& left, const at::Tensor& right) {
  return pair_norms(left, std::vector<at::Tensor>{right}).front();
}

std::vector<PairNorms> pair_norms(const at::Tensor& left_factor, const std::vector<at::Tensor>& factors) {
  const at::Tensor left = dense_columns(left_factor);
  const int64_t samples = left.size(0), t = left.size(1);
  std::vector<at::Tensor> rights;
  std::vector<PairNorms> result;
  int64_t columns = left.size(2);
  const auto zeros = [&] { return at::zeros({samples}, at::kDouble); };
  for (const at::Tensor& factor : factors) {
    rights.push_back(dense_columns(factor));
    result.push_back({zeros(), zeros(), zeros(), zeros()});
    columns += rights.back().size(2);
  }
  if (t == 0) return result;
  const int64_t each = std::max<int64_t>(1, t * t / 2 * columns);
  at::parallel_for(0, samples, std::max<int64_t>(1, kWorthAThread / each), [&](int64_t begin, int64_t end) {
    Side l(left);
    std::vector<Side> sides(rights.begin(), rights.end());
    for (int64_t sample = begin; sample < end; ++sample) {
      l.start(sample);
      for (Side& side : sides) side.start(sample);
      std::vector<PairsOfSample> pairs(sides.size());
      for (int64_t first = 0; first < t; first += kPanelRows) {
        const int64_t last = std::min(first + kPanelRows, t);
        l.multiply(first, last);
        for (size_t i = 0; i < sides.size(); ++i) {
          sides[i].multiply(first, last);
          pairs[i].add(l, sides[i], first, last);
        }
      }
      for (size_t i = 0; i < sides.size(); ++i) {
        result[i].squared.data_ptr<double>()[sample] = pairs[i].squared();
        result[i].squared_error.data_ptr<double>()[sample] = pairs[i].error(l, sides[i], t);
        result[i].left.data_ptr<double>()[sample] = l.squares;
        result[i].right.data_ptr<double>()[sample] = sides[i].squares;
      }
    }
  });
  return result;
}

}  // namespace discreet
