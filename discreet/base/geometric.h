// The geometric distribution, exactly: how many trials fail before the first success.
#pragma once

#include <cstdint>
#include <functional>

#include "discreet/base/random.h"

namespace discreet {

// Trials of probability `success`, a double in (0, 1) of which every bit counts; else kInvalidArgument.
//
// By inversion: at least k trials fail exactly where a uniform real U is below (1 - success)^k. Doubles give
// ln U over ln(1 - success) with an error bound. Where an integer lies within the bound, U is extended by
// random bits, and the power bracketed by integer arithmetic of as many bits, until they differ; so there is
// no remainder.
class Geometric {
 public:
  explicit Geometric(double success);

  // The number of failures, or `limit` >= 0 if there are as many or more.
  int64_t draw(RandomStream& random, int64_t limit) const;

  // For tests: U begins with `word`, further digits come from `next`. With `exactly` doubles decide nothing.
  int64_t draw_from(uint64_t word, const std::function<uint64_t()>& next, int64_t limit, bool exactly) const;

 private:
  double success_, minus_log_failure_;
};

}  // namespace discreet
