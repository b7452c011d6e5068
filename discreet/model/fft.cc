#include "discreet/model/fft.h"

#include <cmath>
#include <numbers>
#include <string>

#include "discreet/base/error.h"

namespace discreet {

std::vector<FftPass> fft_plan(int64_t length) {
  std::vector<FftPass> plan;
  int64_t n = length;
  while (n > 1) {
    int radix = 0;
    for (int candidate : {4, 2, 3, 5}) {
      if (radix == 0 && n % candidate == 0) radix = candidate;
    }
    if (radix == 0) {
      throw Error(ErrorKind::kUnsupported, "Fourier transform of length " + std::to_string(length) +
                                               ": only the prime factors 2, 3, 5 are allowed");
    }
    FftPass pass{radix, n / radix, {}};
    for (int64_t q = 0; q < pass.rest; ++q) {
      for (int k = 1; k < radix; ++k) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(q * k) / static_cast<double>(n);
        pass.twiddles.push_back(static_cast<float>(std::cos(angle)));
        pass.twiddles.push_back(static_cast<float>(-std::sin(angle)));
      }
    }
    n = pass.rest;
    plan.push_back(std::move(pass));
  }
  return plan;
}

int64_t fft_length(int64_t length) {
  for (int64_t n = (length + 3) / 4 * 4;; n += 4) {
    int64_t rest = n;
    for (int64_t factor : {2, 3, 5}) {
      while (rest % factor == 0) rest /= factor;
    }
    if (rest == 1) return n;
  }
}

}  // namespace discreet
